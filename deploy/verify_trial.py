"""What a verification has in its hands: the running Jupiter, both ends, the lines between; and how to wait for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.ending import Ending
from deploy.fault_proxy import FaultProxy
from deploy.local import LocalJupiter
from deploy.verdict import Left
from deploy.verify_load import Feeder
from deploy.verify_record import Recorder
from deploy.watch import Watch
from runtime import subjects
from runtime.app import App
from runtime.bus_errors import BusFault
from runtime.errors import JupiterError
from runtime.records import Beat

POLL_S = 0.05


class NotDoneError(JupiterError):
    """A fault could not be carried out: there was nobody to hit, or the point was not reached."""


@dataclass(slots=True, kw_only=True)
class Trial:
    """One verification under way."""

    app: App
    local: LocalJupiter
    watch: Watch
    ending: Ending
    feeder: Feeder
    recorder: Recorder
    proxies: dict[str, FaultProxy]
    """By node, and of `gateway` and `producer`."""
    failpoints: Path
    poison: list[int]
    """Payloads that end as dead letters."""
    max_store_bytes: int | None

    # ---- whom to hit

    def worker(self, task: str) -> int:
        """The process of a live worker of this task."""
        return self.workers(task)[0]

    def workers(self, task: str) -> list[int]:
        """The processes of all of them; there is at least one."""
        edges = self.watch.picture.edges
        names = () if edges is None else edges.workers.get(task, ())
        found = [pid for name in names for pid in processes(name)]
        if not found:
            raise NotDoneError(f"there is no live worker of {task}")
        return found

    def component(self, name: str) -> int:
        """The process of a component of the launcher's."""
        found = self.local.supervisor.pids().get(name)
        if found is None:
            raise NotDoneError(f"there is no {name} at this moment")
        return found

    def signal(self, pid: int, number: signal.Signals) -> None:
        """Ended meanwhile is no error."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    # ---- how it is

    async def ended_up_to(self) -> int:
        """Every input up to this sequence has ended; -1 while the server does not say."""
        with contextlib.suppress(BusFault):
            ended = await self.ending.look()
            return -1 if ended is None else ended.first_sequence - 1
        return -1

    async def until_ended(self, sequence: int) -> None:
        """Wait until every input up to this sequence has ended."""
        while await self.ended_up_to() < sequence:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(POLL_S)

    async def until(self, is_so: Callable[[], bool], timeout_s: float) -> None:
        """Wait for something that no event tells of. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not is_so():  # noqa: ASYNC110 - see above
                await asyncio.sleep(POLL_S)

    async def until_in_place(self) -> None:
        """Wait until there is a live worker of every task, and a head."""
        await self.watch.until(lambda picture: picture.is_in_place(self.app))

    async def settled(self, timeout_s: float) -> Left:
        """Wait until nothing is anywhere; what is left when the time is up."""
        left = Left(ingress=-1)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while (left := await self._left()) != Left():  # noqa: ASYNC110 - as above
                    await asyncio.sleep(POLL_S)
        return left

    async def _left(self) -> Left:
        bus, name = self.local.bus, self.app.name
        try:
            ended = await self.ending.look()
            results = await bus.consumer_state(subjects.egress_stream(name), subjects.RESULTS_CONSUMER)
        except BusFault:
            return Left(ingress=-1)
        if ended is None or results is None:
            return Left(ingress=-1)
        beats = self._live_beats()
        if beats is None:
            return Left(ingress=ended.unfinished, queued=ended.queued, held=-1)
        return Left(
            ingress=ended.unfinished,
            queued=ended.queued,
            in_flight=sum(int(beat.rates.get("in_flight", 0)) for beat in beats),
            waiting=sum(int(beat.rates.get("waiting", 0)) for beat in beats),
            held=sum(len(beat.holds) for beat in beats),
            unread=results.num_pending + results.num_ack_pending,
        )

    def _live_beats(self) -> list[Beat] | None:
        """The last beat of everybody in the edge record; None while somebody has said nothing yet."""
        edges, beats = self.watch.picture.edges, self.watch.picture.beats
        if edges is None or edges.gateway is None:
            return None
        names = [*sorted(edges.incarnations()), edges.gateway]
        return [beats[name] for name in names] if all(name in beats for name in names) else None


def processes(word: str) -> Iterator[int]:
    """Processes of this machine with this word on their command line."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if word.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                    yield int(entry.name)
