"""One run's data: the input into the ingress, the results in order into the output, until both have ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from circe.uploading import Item
from deploy.big_inputs import cut
from deploy.big_results import ResultFiles, folder_beside
from deploy.ending import Ended
from deploy.ingest import Sender
from deploy.lead import Lead
from deploy.positions import Counted, Positions
from deploy.report import Figures, counted
from deploy.results import Output, ResultReader
from runtime.app import App
from runtime.bus import Bus
from runtime.bus_errors import NoResponders, RequestTimeout
from runtime.errors import JupiterError

logger = logging.getLogger(__name__)

FIRST_LOOK_S = 0.02
LOOK_S = 0.1
LOOK_GROWTH = 1.3
"""Often at first, when the pace is still unknown and a short input may soon have ended."""
HELD_BYTES = 256 << 20
"""Results that wait for an earlier input; beyond that, no further input is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlan:
    """What one run reads and writes."""

    source: str | None
    """A path, `-`, or None: others feed the application."""
    output: str | None
    is_once: bool = False
    drain_s: float = 10.0
    """What is in flight when the run is stopped gets this long to finish."""


class Stream:
    """`await stream.run(stopping)`; `figures` are current all the while."""

    def __init__(self, bus: Bus, app: App, plan: StreamPlan, figures: Figures, show: Callable[[Stream], None]) -> None:
        self.figures = figures
        self.is_full = False
        """The ingress takes nothing more at the moment."""
        self.trouble = ""
        """Why the server does not answer at the moment; empty while it does."""
        self._bus = bus
        self._app = app
        self._plan = plan
        self._show = show
        self._loop = asyncio.get_running_loop()
        self._positions = Positions()
        self._sender = Sender(bus, app, secrets.token_hex(4), self._positions)
        self._lead = Lead(self._loop.time())
        self._moved = asyncio.Event()
        self._held_bytes = 0
        self._pause_s = FIRST_LOOK_S
        self._looked_s = self._loop.time()

    @property
    def rate_per_s(self) -> float:
        """Inputs ended per second, so far."""
        first_s = self.figures.first_input_s
        return 0.0 if first_s is None else self.figures.ended / max(self._loop.time() - first_s, 1e-3)

    async def run(self, stopping: asyncio.Event) -> None:
        """Until the input is exhausted and all of it ended, or until stopped and drained."""
        # Without an input of our own, every input there ever was counts: the ingress was made for this run.
        places = Counted(0) if self._plan.source is None else self._positions
        output = Output(self._plan.output)
        try:
            files = ResultFiles(self._bus, self._app.name, folder_beside(self._plan.output, self._app.name))
            async with ResultReader(self._bus, self._app, places, output, files) as reader, self._feeding() as feeding:
                while not self._has_ended(await self._try_look(reader), feeding):
                    if stopping.is_set() or _has_failed(feeding):
                        await self._drain(reader, feeding)
                        break
                    await self._pause(stopping)
                if feeding is not None and not feeding.cancelled():
                    feeding.result()  # an input that could not be read or stored fails the run
        finally:
            output.close()

    @contextlib.asynccontextmanager
    async def _feeding(self) -> AsyncIterator[asyncio.Task[None] | None]:
        """The task that reads and sends the input; None when others do."""
        if self._plan.source is None:
            yield None
            return
        task = asyncio.create_task(self._feed(self._plan.source), name="input")
        try:
            yield task
        finally:
            task.cancel()
            await self._sender.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _feed(self, source: str) -> None:
        async with contextlib.aclosing(cut(source, self._app.input, self._sender.limit_bytes)) as found:
            async for items in found:
                await self._send(items)
                if self._has_enough():
                    break
            await self._sender.finish()

    async def _send(self, items: list[Item]) -> None:
        if self._plan.is_once:
            items = items[: 1 - self._positions.sent_count]
        while items:
            while (room := self._room()) <= 0:
                self._moved.clear()
                await self._moved.wait()
            if self.figures.first_input_s is None:
                self.figures.first_input_s = self._loop.time()
            await self._sender.send(items[:room])
            items = items[room:]

    def _has_enough(self) -> bool:
        return self._plan.is_once and self._positions.sent_count > 0

    def _room(self) -> int:
        """How many more inputs may be read now."""
        if self._held_bytes > HELD_BYTES:
            return 0
        return self._lead.items - (self._positions.sent_count - self.figures.ended)

    async def _try_look(self, reader: ResultReader) -> Ended | None:
        """A look, or None while the server is away: it comes back, and so does everything under way."""
        try:
            look = await self._look(reader)
        except (RequestTimeout, NoResponders) as error:
            self.trouble = str(error)
            self._show(self)
            return None
        self.trouble = ""
        return look

    async def _look(self, reader: ResultReader) -> Ended:
        """Write what may be written, and see how far everything is."""
        stored = self._positions.stored_count  # before we look: what is stored meanwhile has not ended
        look = await reader.settle()
        if self._plan.source is None:
            stored = look.last_sequence
        else:
            self._positions.forget(look.first_sequence)
        now_s = self._loop.time()
        figures = self.figures
        ended = max(figures.ended, stored - look.unfinished)
        if ended > figures.ended:
            # Closer than the time of this look, where there are results to tell by.
            figures.last_end_s = max(self._looked_s, reader.last_arrival_s)
        if stored and figures.first_input_s is None:
            figures.first_input_s = self._looked_s
        if figures.first_result_s is None:
            figures.first_result_s = reader.first_arrival_s
        figures.stored, figures.ended, figures.written = stored, ended, reader.written_count
        figures.unfinished = look.unfinished
        self._looked_s = now_s
        self._held_bytes = reader.waiting_bytes
        self.is_full = self._sender.waits_for_room
        self._lead.look(ended, now_s)
        self._moved.set()
        self._show(self)
        return look

    def _has_ended(self, look: Ended | None, feeding: asyncio.Task[None] | None) -> bool:
        if look is None or feeding is None or not feeding.done() or _has_failed(feeding):
            return False
        return self._positions.floor(look.first_sequence) > self._positions.sent_count

    async def _pause(self, stopping: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pause_s):
                await stopping.wait()
        self._pause_s = min(LOOK_S, self._pause_s * LOOK_GROWTH)

    async def _drain(self, reader: ResultReader, feeding: asyncio.Task[None] | None) -> None:
        """Read no more input; what has entered is finished and written."""
        if feeding is not None:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
        look, last = None, None
        try:
            async with asyncio.timeout(self._plan.drain_s):
                await self._sender.finish()
                # An ingress that never held anything has nothing unfinished, whatever its numbers say.
                while look is None or last is None or (look.unfinished and look.first_sequence <= last):
                    look = await self._try_look(reader)
                    if last is None and look is not None:
                        last = look.last_sequence
                    await asyncio.sleep(0 if last is None else LOOK_S)
        except TimeoutError:
            left = "some inputs" if look is None else counted(look.unfinished, "input")
            raise JupiterError(
                f"stopped after {self._plan.drain_s:g} s with {left} unfinished, which gave no result"
            ) from None


def _has_failed(feeding: asyncio.Task[None] | None) -> bool:
    return feeding is not None and feeding.done() and not feeding.cancelled() and feeding.exception() is not None
