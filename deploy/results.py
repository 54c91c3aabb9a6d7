"""From an application's egress to the user's file, in the order of the inputs.

Results are read through the egress's one durable consumer and acknowledged when they are written, so that what
was not written is delivered again to the next reader. What waits for an earlier input is held in memory: it is
bounded by what the sender lets run ahead, not here, because the result everybody waits for comes the same way.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

from deploy import values
from deploy.big_results import ResultFiles
from deploy.ending import Ended, Ending
from deploy.positions import Places
from deploy.reorder import Reorder
from runtime import subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.bus_errors import BusFault
from runtime.codec import CODECS
from runtime.errors import JupiterError, UsageError
from runtime.message import Delivery
from runtime.pulling import Pull
from runtime.reference import Payload, Reference, from_headers

logger = logging.getLogger(__name__)

WINDOW = 2048
LOOK_AGAIN_S = 1.0


class Stored(NamedTuple):
    """One result as it came from the egress."""

    sequence: int
    task: str
    item_id: str
    payload: Payload
    reply: str


class Output:
    """A file, or standard output."""

    def __init__(self, path: str | None) -> None:
        """Opens the file; raises UsageError when it cannot be written."""
        self.path = None if path in (None, "-") else path
        try:
            self._descriptor = (
                sys.stdout.fileno()
                if self.path is None
                else os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
            )
        except OSError as error:
            raise UsageError(f"the output {path} cannot be written: {error.strerror}; choose another") from error

    async def write(self, lines: list[bytes]) -> None:
        """Append; a slow reader of a pipe slows us, not the event loop."""
        await asyncio.to_thread(self._write, b"".join(lines))

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            if self.path is None and isinstance(error, BrokenPipeError):
                raise  # whoever reads us has seen enough: no fault, and `deploy.cli` knows what to do
            where = self.path or "standard output"
            raise JupiterError(f"results cannot be written to {where}: {error.strerror}") from error

    def close(self) -> None:
        if self.path is not None:
            os.close(self._descriptor)


def check_output(path: str | None) -> None:
    """Raise one clear sentence when the output's folder is not there, before anything was started."""
    if path in (None, "-"):
        return
    target = Path(str(path))
    if target.is_dir():
        raise UsageError(f"the output {path} is a folder; name a file in it")
    if not target.absolute().parent.is_dir():
        raise UsageError(f"the folder of the output {path} does not exist; create it first")


class ResultReader:
    """`async with ResultReader(…) as reader`, then `settle` from time to time."""

    def __init__(self, bus: Bus, app: App, places: Places, output: Output, files: ResultFiles) -> None:
        self._bus = bus
        self._app = app
        self._ending = Ending(bus, app)
        self._output = output
        self._files = files
        self._places = places
        self._decode = CODECS[app.codec].decode
        self._prefix = len(subjects.put(app.name, "", "")) - 1
        self._reorder: Reorder[Stored] = Reorder(places, 0)
        self._held: set[int] = set()
        self._moved = asyncio.Event()
        self._pull: Pull | None = None
        self._undo: Callable[[], None] | None = None
        self._reset: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self.written_count = 0
        self.first_arrival_s: float | None = None
        self.last_arrival_s = 0.0
        self.waiting_bytes = 0
        """What waits for an earlier input."""

    async def __aenter__(self) -> Self:
        stream, consumer = subjects.egress_stream(self._app.name), subjects.RESULTS_CONSUMER
        state = await self._bus.consumer_state(stream, consumer)
        if state is None:
            raise JupiterError(f"application {self._app.name} has no results to read; was it deleted?")
        self._reorder = Reorder(self._places, state.ack_floor_stream_sequence)
        await self._again()
        self._pull = await self._bus.pull(stream, consumer, self._on_delivery)
        self._undo = self._bus.on_reconnect(self._on_reconnect)
        self._pull.want(WINDOW)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._undo is not None:
            self._undo()
        if self._reset is not None:
            self._reset.cancel()
            await asyncio.gather(self._reset, return_exceptions=True)
        if self._pull is not None:
            await self._pull.stop()

    def _on_delivery(self, delivery: Delivery) -> None:
        task, _, item_id = delivery.subject[self._prefix :].partition(".")
        given = delivery.headers.get(subjects.INPUT_HEADER, "")
        root = int(given) if given.isdigit() else 0
        sequence = delivery.stream_sequence
        payload = from_headers(delivery.headers) or delivery.payload
        stored = Stored(sequence, task, item_id, payload, delivery.reply)
        if self._reorder.take(sequence, root, item_id, task, stored):
            self.last_arrival_s = self._loop.time()
            self.first_arrival_s = self.first_arrival_s or self.last_arrival_s
            self.waiting_bytes += len(delivery.payload)
            self._held.add(sequence)
        elif sequence not in self._held:
            self._bus.acknowledge([delivery.reply])  # written before; that acknowledgement was lost
        if self._pull is not None:
            self._pull.want(WINDOW)
        self._moved.set()

    def _on_reconnect(self) -> None:
        self._reset = asyncio.create_task(self._again(), name="results again")

    async def _again(self) -> None:
        """Have delivered now, not after the consumer's time-out, what was on its way to us or to a reader before."""
        try:
            await self._bus.reset_consumer(subjects.egress_stream(self._app.name), subjects.RESULTS_CONSUMER)
        except BusFault as error:
            logger.warning("results that were under way come again later: %s", error)

    async def settle(self) -> Ended:
        """Write what may be written now: the results of what has ended."""
        # In this order: an input that has ended has all its results in the egress.
        ended = await self._ending.look()
        egress = await self._bus.stream_state(subjects.egress_stream(self._app.name))
        if ended is None or egress is None:
            raise self._deleted()
        self._reorder.skip(egress.first_sequence)
        await self._read_up_to(egress.last_sequence)
        await self._write(self._reorder.release(ended.first_sequence))
        return ended

    async def _read_up_to(self, sequence: int) -> None:
        while self._reorder.read_up_to < sequence:
            self._moved.clear()
            try:
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await self._moved.wait()
            except TimeoutError:
                egress = await self._bus.stream_state(subjects.egress_stream(self._app.name))
                if egress is None:
                    raise self._deleted() from None
                self._reorder.skip(egress.first_sequence)

    def _deleted(self) -> JupiterError:
        return JupiterError(f"application {self._app.name} was deleted while its results were read")

    async def _write(self, released: list[tuple[int | None, Stored]]) -> None:
        if not released:
            return
        lines = [await self._line(position, stored) for position, stored in released]
        await self._output.write(lines)
        self._bus.acknowledge([stored.reply for _, stored in released])
        self.written_count += len(released)
        self.waiting_bytes -= sum(len(stored.payload) for _, stored in released)
        self._held.difference_update(stored.sequence for _, stored in released)

    async def _line(self, position: int | None, stored: Stored) -> bytes:
        if isinstance(stored.payload, Reference):
            value = await self._files.value(stored.task, stored.item_id, stored.payload)
        else:
            value = values.text(stored.payload, self._decode)
        return values.line(stored.item_id, position, stored.task, value)
