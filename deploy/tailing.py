"""`jupiter tail`: results or a task's outputs as they come, one JSON line each."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from deploy import values
from runtime import subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.codec import CODECS
from runtime.errors import JupiterError
from runtime.message import Message

QUEUED = 10_000


class Tail:
    """Takes messages from the bus and writes them; counts what a slow reader of ours had to miss."""

    def __init__(self, line: Callable[[Message], bytes], count: int | None) -> None:
        self._line = line
        self._count = count
        self._queue: asyncio.Queue[Message] = asyncio.Queue(QUEUED)
        self.left_out = 0

    def take(self, message: Message) -> None:
        """Called by the bus."""
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            self.left_out += 1

    async def write(self) -> None:
        """Until `count` lines are written, else for ever."""
        while self._count is None or self._count > 0:
            messages = [await self._queue.get()]
            while not self._queue.empty() and (self._count is None or len(messages) < self._count):
                messages.append(self._queue.get_nowait())
            await asyncio.to_thread(_write, b"".join([self._line(message) for message in messages]))
            if self._count is not None:
                self._count -= len(messages)


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


async def results(bus: Bus, app: App, count: int | None, *, from_start: bool) -> None:
    """The application's results: from now on, or also those that the egress still holds."""
    prefix = len(subjects.egress(app.name, "", "")) - 1
    decode = CODECS[app.codec].decode
    written = 0

    def line(subject_rest: str, sequence: str | None, payload: bytes) -> bytes:
        task, _, item_id = subject_rest.partition(".")
        position = int(sequence) if sequence and sequence.isdigit() else None
        return values.line(item_id, position, task, values.text(payload, decode))

    tail = Tail(lambda m: line(m.subject[prefix:], m.headers.get(subjects.INPUT_HEADER), m.payload), count)
    if not from_start:
        await bus.subscribe(subjects.egress(app.name), tail.take)
        await _write_until_done(tail)
        return
    # From the stream alone: what is stored while we read comes with the next page, in order and once.
    stream, subject = subjects.egress_stream(app.name), subjects.put(app.name, "*", ">")
    prefix = len(subjects.put(app.name, "", "")) - 1
    sequence = 1
    news = asyncio.Event()
    await bus.subscribe(subjects.egress(app.name), lambda _: news.set())
    while count is None or written < count:
        news.clear()
        page = await bus.read_page(stream, subject, sequence)
        page = page if count is None else page[: count - written]
        lines = [line(m.subject[prefix:], m.headers.get(subjects.INPUT_HEADER), m.payload) for m in page]
        if page:
            await asyncio.to_thread(_write, b"".join(lines))
            written += len(page)
            sequence = page[-1].sequence + 1
        else:
            await news.wait()


async def outputs(bus: Bus, app: App, task: str, count: int | None) -> None:
    """What a task gives to its children, as far as its tap lets it through."""
    decode = CODECS[app.codec].decode

    def line(message: Message) -> bytes:
        item_id = message.headers.get(subjects.ID_HEADER, "")
        return values.line(item_id, None, task, values.text(message.payload, decode))

    tail = Tail(line, count)
    await bus.subscribe(subjects.tap(app.name, task), tail.take)
    await _write_until_done(tail)


async def logs(bus: Bus, app: App, task: str, count: int | None) -> None:
    """What a task prints and logs."""
    tail = Tail(lambda message: message.payload.rstrip(b"\n") + b"\n", count)
    await bus.subscribe(subjects.log(app.name, task), tail.take)
    await _write_until_done(tail)


async def _write_until_done(tail: Tail) -> None:
    try:
        await tail.write()
    finally:
        if tail.left_out:
            sys.stderr.write(
                f"jupiter: left out {tail.left_out:,} lines: they came faster than they could be written\n"
            )


def check_count(count: int | None) -> None:
    """A count is of something."""
    if count is not None and count < 1:
        raise JupiterError(f"--count {count}: it must be one or more")
