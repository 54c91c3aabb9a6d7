"""The load of a verification: inputs with ids of their own at a steady rate, each stored or tried until it is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from array import array
from dataclasses import dataclass

from deploy.verify_book import Book
from runtime import subjects
from runtime.bus import Bus
from runtime.bus_errors import BusClosed, BusFault, StreamFull
from runtime.message import Outgoing

logger = logging.getLogger(__name__)

TICK_S = 0.02
ATTEMPT_S = 2.0
FIRST_RETRY_S = 0.02
LONGEST_RETRY_S = 0.5
UNDER_WAY = 2000
"""Inputs sent and not acknowledged: beyond that the producer waits, as a producer should."""


@dataclass(frozen=True, slots=True)
class Payload:
    """What an input may hold, and the one task it is addressed to, if any."""

    body: bytes
    task: str | None = None


class Feeder:
    """Sends until stopped. `fault` is the number that inputs are counted under."""

    def __init__(self, bus: Bus, app: str, payloads: list[Payload], book: Book, seed: int) -> None:
        self.fault = 0
        self.rate_per_s = 0.0
        self.usual: list[int] = list(range(len(payloads)))
        """The payloads of the steady load, as indices."""
        self.last_sequence = 0
        """Highest sequence the ingress has given."""
        self.acknowledged_s = array("d")
        """By number of the input; 0 before."""
        self.refused = 0
        """Answers that the ingress was full."""
        self._bus = bus
        self._app = app
        self._payloads = payloads
        self._book = book
        self._rng = random.Random(f"load {seed}")
        self._loop = asyncio.get_running_loop()
        self._under_way: set[asyncio.Task[None]] = set()
        self._count = 0
        self._moved = asyncio.Event()

    @property
    def under_way(self) -> int:
        """Inputs whose acknowledgement has not come."""
        return self._count

    @property
    def sent_count(self) -> int:
        """Inputs so far, acknowledged or not."""
        return self._book.sent_count

    async def run(self) -> None:
        """The steady load, until cancelled."""
        owed, before_s = 0.0, self._loop.time()
        while True:
            await asyncio.sleep(TICK_S)
            now_s = self._loop.time()
            # After a stall of our own there is no flood.
            owed += min(now_s - before_s, 0.5) * self.rate_per_s
            before_s = now_s
            count = min(int(owed), UNDER_WAY - self._count)
            if count > 0:
                owed -= count
                self.send([self._rng.choice(self.usual) for _ in range(count)])
            owed = min(owed, self.rate_per_s * 0.5)

    def send(self, keys: list[int]) -> list[int]:
        """Send inputs with these payloads now; their numbers."""
        numbers, outgoing = [], []
        for key in keys:
            payload = self._payloads[key]
            numbers.append(self._book.sent_count)
            message_id = self._book.send(key, self.fault)
            self.acknowledged_s.append(0.0)
            headers = {subjects.MESSAGE_ID_HEADER: message_id}
            outgoing.append((message_id, Outgoing(subjects.ingress(self._app, payload.task), payload.body, headers)))
        self._count += len(outgoing)
        task = asyncio.create_task(self._store(outgoing), name="inputs")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return numbers

    async def burst(self, refusals: int, most: int) -> None:
        """As fast as it goes, until the ingress has refused so often, or so many were sent."""
        until, end = self.refused + refusals, self._book.sent_count + most
        while self.refused < until and self._book.sent_count < end:
            if self._count > UNDER_WAY:
                await self._wait()
                continue
            self.send([self._rng.choice(self.usual) for _ in range(200)])
            await asyncio.sleep(0)

    async def another(self) -> None:
        """Wait until the ingress has taken one more input."""
        before = self.last_sequence
        while self.last_sequence <= before:
            await self._wait()

    async def taken(self, numbers: list[int]) -> None:
        """Wait until the ingress has taken these inputs."""
        while not all(self.acknowledged_s[number] for number in numbers):
            await self._wait()

    async def _wait(self) -> None:
        self._moved.clear()
        await self._moved.wait()

    async def _store(self, outgoing: list[tuple[str, Outgoing]]) -> None:
        wait_s = FIRST_RETRY_S
        while outgoing:
            futures = self._bus.store_many([message for _, message in outgoing], ATTEMPT_S)
            again = []
            for (message_id, message), future in zip(outgoing, futures, strict=True):
                try:
                    self._stored(message_id, (await future).sequence)
                except BusClosed:
                    raise
                except BusFault as error:
                    self.refused += isinstance(error, StreamFull)
                    again.append((message_id, message))
            self._moved.set()
            wait_s = FIRST_RETRY_S if len(again) < len(outgoing) else min(2 * wait_s, LONGEST_RETRY_S)
            outgoing = again
            if outgoing:
                await asyncio.sleep(wait_s)

    def _stored(self, message_id: str, sequence: int) -> None:
        self._count -= 1
        self.last_sequence = max(self.last_sequence, sequence)
        self.acknowledged_s[int(message_id.rpartition("-")[2])] = self._loop.time()
        self._book.acknowledged(message_id, sequence)

    async def finish(self, timeout_s: float) -> None:
        """Wait until all that was sent is acknowledged, or give up what is not."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._under_way:
                    await asyncio.wait(self._under_way)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
