"""`jupiter tail`: results or a task's outputs as they come, one JSON line each."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from deploy import values
from deploy.big_results import ResultFiles
from runtime import subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.codec import CODECS
from runtime.message import Message, StoredMessage
from runtime.reference import from_headers

QUEUED = 10_000
QUEUED_BYTES = 64 << 20
"""What may wait for a slow reader of ours."""


Line = Callable[[Message], Awaitable[bytes]]
"""A message as it is written."""


class Tail:
    """Takes messages from the bus and writes them; counts what a slow reader of ours had to miss."""

    def __init__(self, line: Line, count: int | None) -> None:
        self._line = line
        self._count = count
        self._queue: asyncio.Queue[Message] = asyncio.Queue(QUEUED)
        self._queued_bytes = 0
        self.left_out = 0

    def take(self, message: Message) -> None:
        """Called by the bus."""
        if self._queue.full() or self._queued_bytes > QUEUED_BYTES:
            self.left_out += 1
            return
        self._queued_bytes += len(message.payload)
        self._queue.put_nowait(message)

    @property
    def missed(self) -> int:
        """What was left out, and what still waits although nobody will write it any more."""
        return self.left_out + (0 if self._count == 0 else self._queue.qsize())

    async def write(self) -> None:
        """Until `count` lines are written, else for ever."""
        while self._count is None or self._count > 0:
            messages = [await self._queue.get()]
            while not self._queue.empty() and (self._count is None or len(messages) < self._count):
                messages.append(self._queue.get_nowait())
            self._queued_bytes -= sum(len(message.payload) for message in messages)
            await asyncio.to_thread(_write, b"".join([await self._line(message) for message in messages]))
            if self._count is not None:
                self._count -= len(messages)


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


async def results(
    bus: Bus, app: App, count: int | None, on_listening: Callable[[], None], *, from_start: bool, files: Path | None
) -> None:
    """The application's results: from now on, or also those that the egress still holds. `files`: for large ones."""
    saved = None if files is None else ResultFiles(bus, app.name, files)
    prefix = len(subjects.egress(app.name, "", "")) - 1
    decode = CODECS[app.codec].decode
    written = 0

    async def line(message: Message | StoredMessage) -> bytes:
        task, _, item_id = message.subject[prefix:].partition(".")
        position = values.position(message.headers.get(subjects.INPUT_HEADER))
        reference = from_headers(message.headers)
        if saved is None or reference is None:
            return values.line(item_id, position, task, values.shown(message.payload, message.headers, decode))
        return values.line(item_id, position, task, await saved.value(task, item_id, reference))

    tail = Tail(line, count)
    if not from_start:
        await bus.subscribe(subjects.egress(app.name), tail.take)
        on_listening()
        await write_until_done(tail)
        return
    # From the stream alone: what is stored while we read comes with the next page, in order and once.
    stream, subject = subjects.egress_stream(app.name), subjects.put(app.name, "*", ">")
    prefix = len(subjects.put(app.name, "", "")) - 1
    sequence = 1
    news = asyncio.Event()
    await bus.subscribe(subjects.egress(app.name), lambda _: news.set())
    on_listening()
    while count is None or written < count:
        news.clear()
        page = await bus.read_page(stream, subject, sequence)
        page = page if count is None else page[: count - written]
        if page:
            await asyncio.to_thread(_write, b"".join([await line(message) for message in page]))
            written += len(page)
            sequence = page[-1].sequence + 1
        else:
            await news.wait()


async def logs(bus: Bus, app: App, task: str, count: int | None, on_listening: Callable[[], None]) -> None:
    """What a task prints and logs."""

    async def line(message: Message) -> bytes:
        return message.payload.rstrip(b"\n") + b"\n"

    tail = Tail(line, count)
    await bus.subscribe(subjects.log(app.name, task), tail.take)
    on_listening()
    await write_until_done(tail)


async def write_until_done(tail: Tail) -> None:
    """And at the end say what was missed."""
    try:
        await tail.write()
    finally:
        if tail.missed:
            sys.stderr.write(f"jupiter: left out {tail.missed:,}: they came faster than they could be passed on\n")
