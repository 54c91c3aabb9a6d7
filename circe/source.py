"""A source: a task outside the graph. Its `run(ctx)` emits, and what it emits enters like any other input.

It runs in a thread of its own (on an event loop there when it is async). `ctx.emit` and `yield` wait while too
much is on its way into the ingress: a full ingress slows the source down.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from circe import travel
from circe.options import WorkerOptions
from circe.printing import Lines
from circe.pulse import BEAT_S, Pulse
from circe.uploading import Item, upload
from runtime import codec, subjects
from runtime.app import App, SourceTask
from runtime.bus import Bus
from runtime.bus_errors import BusFault
from runtime.calling import call_hook, call_hook_async, run_source, run_source_async
from runtime.context import Context, Output
from runtime.loader import UserSource
from runtime.records import READY, Beat
from runtime.service import Service

logger = logging.getLogger(__name__)

WINDOW_ITEMS = 256
RETRY_S = 0.5
FINISHED = "finished"


class Source:
    """The shell around one source's `run`."""

    def __init__(self, bus: Bus, options: WorkerOptions, app: App, source: SourceTask) -> None:
        self._bus = bus
        self._options = options
        self._app = app
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._room = threading.Semaphore(WINDOW_ITEMS)
        self._storing: set[asyncio.Task[None]] = set()
        self._number = 0
        self._pulse = Pulse(self._loop.time())
        self.counts = {"out": 0}
        self.state = READY
        self.message = ""

    def sink(self, output: Output) -> None:
        """Called in the source's thread; waits for room."""
        for child in (output.to,) if output.to else self._source.children:
            task = self._app.graph.tasks[child]
            payload = _encoded(codec.CODECS[task.input_codec or self._app.codec], output.value)
            self._room.acquire()
            self._loop.call_soon_threadsafe(self._begin, child, payload)

    def _begin(self, child: str, payload: Item) -> None:
        self._number += 1
        message_id = f"{self._options.incarnation}.{self._number}"
        storing = asyncio.create_task(self._store(subjects.ingress(self._app.name, child), payload, message_id))
        self._storing.add(storing)
        storing.add_done_callback(self._stored)

    def _stored(self, storing: asyncio.Task[None]) -> None:
        self._storing.discard(storing)
        self._room.release()
        error = None if storing.cancelled() else storing.exception()
        if error is not None:
            self.counts["dropped.not_stored"] = self.counts.get("dropped.not_stored", 0) + 1
            logger.error("an item of %s cannot be stored: %s", self._source.name, error)

    async def _store(self, subject: str, payload: Item, message_id: str) -> None:
        headers = {subjects.MESSAGE_ID_HEADER: message_id}
        if isinstance(payload, Path) or len(payload) > travel.limit_bytes(self._bus.link.max_payload_bytes):
            headers |= await self._upload(payload, message_id)
            payload = b""
        while True:
            try:
                await self._bus.store_until(subject, payload, headers)
                break
            except BusFault as error:
                logger.warning("an item of %s is not stored yet: %s", self._source.name, error)
                await asyncio.sleep(RETRY_S)
        self.counts["out"] += 1

    async def _upload(self, payload: Item, message_id: str) -> dict[str, str]:
        """The headers of what is too big for a message; a file of the scratch folder is of no more use then."""
        app = self._app
        headers = await upload(self._bus, app.name, payload, f"input/{message_id}", app.limits.objects_bytes)
        if isinstance(payload, Path) and payload.is_relative_to(self._options.scratch):
            await asyncio.to_thread(payload.unlink, missing_ok=True)
        return headers

    def finish(self, message: str) -> None:
        """`run` has returned, or raised what the message says."""
        self.state, self.message = ("failed" if message else FINISHED), message

    def beat(self) -> None:
        """The sign of life; a source holds nothing that a head waits for."""
        rates, _ = self._pulse.beat(self._loop.time(), self.counts)
        beat = Beat(
            app=self._app.name,
            task=self._source.name,
            incarnation=self._options.incarnation,
            node=self._options.node,
            state=self.state,
            number=self._pulse.number,
            digest=self._options.digest,
            epoch=self._options.epoch,
            connections=self._bus.connections,
            counts=dict(self.counts),
            rates=rates,
            message=self.message,
        )
        subject = subjects.status(self._app.name, self._source.name, self._options.incarnation)
        self._bus.publish(subject, codec.encode_record(beat.to_record()))

    async def drain(self) -> None:
        """What was emitted is stored."""
        await asyncio.gather(*self._storing, return_exceptions=True)


def _encoded(own: codec.Codec, value: Any) -> Item:
    """A file stays one; it must be there, and as it is, for as long as the source runs."""
    return value if own.name == codec.FILES and isinstance(value, Path) else own.encode(value)


async def run_source_worker(
    service: Service,
    bus: Bus,
    options: WorkerOptions,
    app: App,
    source: SourceTask,
    user: UserSource,
    lines: Lines | None,
) -> None:
    """Run a source until it ends or is stopped; it stays, finished, until nobody wants it any more."""
    shell = Source(bus, options, app, source)
    context = Context(
        app=app.name,
        task=source.name,
        node=options.node,
        children=source.children,
        sink=shell.sink,
        scratch_root=options.scratch,
    )
    loop = asyncio.get_running_loop()

    def finish(message: str) -> None:
        loop.call_soon_threadsafe(shell.finish, message)

    threading.Thread(target=_run, args=(user, context, finish), name="source", daemon=True).start()
    while not service.stopping.is_set():
        if lines is not None:
            lines.say_left_out()
            shell.counts["print.left_out"] = lines.left_out
        shell.beat()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BEAT_S):
                await service.stopping.wait()
    await shell.drain()


def _run(user: UserSource, context: Context, finish: Callable[[str], None]) -> None:
    """In the source's thread."""
    try:
        if user.is_async:
            asyncio.run(_run_async(user, context))
        else:
            call_hook(user.setup, context)
            run_source(user, context)
            call_hook(user.teardown, context)
        finish("")
    except Exception as error:
        logger.exception("the source %s ended with an error", user.name)
        finish(f"{type(error).__name__}: {error}")


async def _run_async(user: UserSource, context: Context) -> None:
    await call_hook_async(user.setup, context)
    await run_source_async(user, context)
    await call_hook_async(user.teardown, context)
