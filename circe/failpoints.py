"""Deaths at chosen points, for the fault suite: a worker killed before it sends, or between sending and reporting.

Off, and at no cost, unless `JUPITER_FAILPOINTS` names a folder. Then a worker looks there for a file named as its
task; what it holds, such as `after_send:20`, says that the 20th event of this kind from now on is its last. Whoever
takes the file removes it, so that the next incarnation lives.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from runtime import subjects
from runtime.bus import Bus
from runtime.message import Outgoing, PubAck

VARIABLE = "JUPITER_FAILPOINTS"
LOOK_S = 0.05
BEFORE_SEND, AFTER_SEND, AFTER_REPORT = "before_send", "after_send", "after_report"
POINTS = (BEFORE_SEND, AFTER_SEND, AFTER_REPORT)


class Armed(NamedTuple):
    """A death to come."""

    point: str
    left: int
    """Events of its kind until then."""


def read(text: str) -> Armed:
    """`point:count`; raises ValueError on anything else."""
    point, _, count = text.strip().partition(":")
    if point not in POINTS or not count.isdigit() or int(count) < 1:
        raise ValueError(f"{text!r} is no fail point: one of {', '.join(POINTS)}, a colon, and a count from 1")
    return Armed(point, int(count))


def over(bus: Bus, app: str, task: str) -> Bus:
    """The bus itself, or, where the variable is set, one that can end this process at a fail point."""
    folder = os.environ.get(VARIABLE)
    return cast(Bus, DeadlyBus(bus, Path(folder) / task, app)) if folder else bus


class DeadlyBus:
    """A worker's bus. Its last event is carried out up to the point, reaches the server, and nothing follows."""

    def __init__(self, bus: Bus, order: Path, app: str) -> None:
        self._bus = bus
        self._order = order
        self._reports = subjects.lineage(app, "")
        self._armed: Armed | None = None
        self._is_over = False
        self._looking = asyncio.create_task(self._look(), name="fail points")
        self._dying: asyncio.Task[None] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                self._armed = read(self._order.read_text())
                self._order.unlink()
            except FileNotFoundError:
                continue

    # ---- what a worker sends

    def send_many(self, messages: Iterable[tuple[str, bytes]]) -> bool:
        """Frames, reports and credit, in this order, of one turn."""
        if self._is_over:
            return True
        outgoing = list(messages)
        reports = [message for message in outgoing if message[0].startswith(self._reports)]
        frames = [message for message in outgoing if ".task." in message[0]]
        if reports and self._is_next(AFTER_REPORT):
            return self._end(self._bus.send_many(outgoing))
        if frames and self._is_next(BEFORE_SEND):
            return self._end(True)
        if frames and self._is_next(AFTER_SEND):
            return self._end(self._bus.send_many(frames))
        return self._bus.send_many(outgoing)

    def store_many(self, messages: Sequence[Outgoing], deadline_s: float) -> list[asyncio.Future[PubAck]]:
        """Results into the egress."""
        if self._is_over or self._is_next(BEFORE_SEND):
            self._end(True)
            return [asyncio.get_running_loop().create_future() for _ in messages]
        if not self._is_next(AFTER_SEND):
            return self._bus.store_many(messages, deadline_s)
        stored = self._bus.store_many(messages, deadline_s)
        self._end(True, stored)
        return [asyncio.get_running_loop().create_future() for _ in messages]

    def store(
        self, subject: str, payload: bytes, headers: Mapping[str, str] | None = None, deadline_s: float = 5.0
    ) -> asyncio.Future[PubAck]:
        """Second tries, and dead letters."""
        if self._is_over:
            return asyncio.get_running_loop().create_future()
        return self._bus.store(subject, payload, headers, deadline_s)

    def publish(self, subject: str, payload: bytes, headers: Mapping[str, str] | None = None, reply: str = "") -> bool:
        """Beats and taps."""
        return self._is_over or self._bus.publish(subject, payload, headers, reply)

    # ---- the end

    def _is_next(self, point: str) -> bool:
        """Count one event of this kind; whether it is the last."""
        if self._armed is None or self._armed.point != point:
            return False
        self._armed = self._armed._replace(left=self._armed.left - 1)
        return self._armed.left == 0

    def _end(self, sent: bool, stored: Sequence[asyncio.Future[PubAck]] = ()) -> bool:
        if not self._is_over:
            self._is_over = True
            self._dying = asyncio.create_task(self._die(stored), name="the end")
        return sent

    async def _die(self, stored: Sequence[asyncio.Future[PubAck]]) -> None:
        """Once the server has all that was sent, and has answered what was stored."""
        await asyncio.gather(*stored, return_exceptions=True)
        await self._bus.flush()
        os.kill(os.getpid(), signal.SIGKILL)
