"""From a file or standard input into an application's ingress, pipelined; each input stored exactly once.

A `Nats-Msg-Id` per input lets a publication whose answer was lost be repeated without a double. A full ingress is
waited for, never skipped.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Iterable, Sequence
from pathlib import Path

from circe.uploading import Item, upload
from deploy.positions import Positions
from runtime import subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.bus_errors import NoResponders, RequestTimeout, StreamFull, WriteBufferFull
from runtime.errors import JupiterError, UsageError
from runtime.message import Outgoing

STDIN = "-"
CHUNK_BYTES = 256 << 10
CHUNKS_AHEAD = 4
BATCH_ITEMS = 256
BATCH_BYTES = 1 << 20
BATCHES_UNDER_WAY = 8
HEADER_BYTES = 1024
"""Room for the headers that travel with an item."""
FIRST_RETRY_S = 0.02
LONGEST_RETRY_S = 0.5
NOBODY_S = 20.0
"""An ingress that nobody serves for this long is not coming back by itself."""


def check_input(source: str) -> None:
    """Raise one clear sentence when the input cannot be read, before anything was started."""
    if source == STDIN:
        return
    path = Path(source)
    if path.is_dir():
        raise UsageError(f"the input {source} is a folder; name a file, or - for standard input")
    if not path.exists():
        raise UsageError(f"the input file {source} does not exist; correct the path, or use - for standard input")
    if not os.access(path, os.R_OK):
        raise UsageError(f"the input file {source} cannot be read; check its permissions")


async def read_chunks(source: str) -> AsyncGenerator[bytes, None]:
    """What the file or standard input holds, as it comes."""
    # A thread of our own: a pipe or terminal may be silent for hours, and nothing can interrupt a read. It is a
    # daemon and reads the bare descriptor, so that the interpreter can end without it.
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes | OSError] = asyncio.Queue()
    room = threading.Semaphore(CHUNKS_AHEAD)
    thread = threading.Thread(target=_read, args=(source, room, loop, chunks), name="input", daemon=True)
    thread.start()
    while True:
        chunk = await chunks.get()
        if isinstance(chunk, OSError):
            raise JupiterError(f"the input {source} cannot be read any further: {chunk.strerror}") from chunk
        if not chunk:
            return
        yield chunk
        room.release()


def _read(
    source: str, room: threading.Semaphore, loop: asyncio.AbstractEventLoop, chunks: asyncio.Queue[bytes | OSError]
) -> None:
    try:
        descriptor = 0 if source == STDIN else os.open(source, os.O_RDONLY)
        while True:
            room.acquire()
            chunk = os.read(descriptor, CHUNK_BYTES)
            loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            if not chunk:
                return
    except OSError as error:
        loop.call_soon_threadsafe(chunks.put_nowait, error)
    except RuntimeError:
        return  # the loop was closed: nobody wants the rest


class Sender:
    """Stores items in the ingress of an application, many batches at a time."""

    def __init__(self, bus: Bus, app: App, invocation: str, positions: Positions) -> None:
        """`invocation` makes the message ids of this command its own."""
        self._bus = bus
        self._app = app.name
        self._objects_bytes = app.limits.objects_bytes
        self._subject = subjects.ingress(app.name)
        self._invocation = invocation
        self._positions = positions
        self._room = asyncio.Semaphore(BATCHES_UNDER_WAY)
        self._clear = asyncio.Event()
        self._clear.set()
        self._under_way: set[asyncio.Task[None]] = set()
        self.waits_for_room = False
        """The ingress is full at the moment."""

    @property
    def limit_bytes(self) -> int:
        """The largest payload of a message."""
        return self._bus.link.max_payload_bytes - HEADER_BYTES

    async def send(self, items: Sequence[Item]) -> None:
        """Hand items over; waits while enough of them are under way. Raises what made an earlier one fail."""
        for batch in batches(items):
            await self._room.acquire()
            try:
                # While something is stored again, what follows would only overtake it.
                await self._clear.wait()
                self._raise_failure()
                self._start(batch)
            except BaseException:
                self._room.release()
                raise

    async def finish(self) -> None:
        """Wait until everything handed over is stored."""
        while self._under_way:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
            self._raise_failure()
        self._raise_failure()

    async def cancel(self) -> None:
        """Give up what is under way."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _start(self, batch: list[Item]) -> None:
        first = self._positions.send(len(batch))
        task = asyncio.create_task(self._store(first, batch), name=f"inputs from {first}")
        self._under_way.add(task)
        task.add_done_callback(self._settled)

    async def _outgoing(self, position: int, item: Item) -> Outgoing:
        message_id = f"{self._invocation}-{position}"
        headers = {subjects.MESSAGE_ID_HEADER: message_id}
        if isinstance(item, bytes) and len(item) <= self.limit_bytes:
            return Outgoing(self._subject, item, headers)
        named = await upload(self._bus, self._app, item, f"input/{message_id}", self._objects_bytes)
        return Outgoing(self._subject, b"", headers | named)

    def _settled(self, task: asyncio.Task[None]) -> None:
        self._room.release()
        if task.cancelled() or task.exception() is None:
            self._under_way.discard(task)
        else:
            self._clear.set()  # whoever waits is to see the failure

    def _raise_failure(self) -> None:
        for task in self._under_way:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _store(self, first: int, batch: list[Item]) -> None:
        waiting = [(position, await self._outgoing(position, item)) for position, item in enumerate(batch, first)]
        wait_s = FIRST_RETRY_S
        loop = asyncio.get_running_loop()
        served_s = loop.time()
        while waiting:
            futures = self._bus.store_many([message for _, message in waiting])
            again: list[tuple[int, Outgoing]] = []
            nobody = False
            for (position, message), future in zip(waiting, futures, strict=True):
                try:
                    self._positions.stored(position, (await future).sequence)
                except (StreamFull, RequestTimeout, WriteBufferFull, NoResponders) as error:
                    self._clear.clear()
                    self.waits_for_room = isinstance(error, StreamFull)
                    nobody = isinstance(error, NoResponders)
                    again.append((position, message))
            served_s = served_s if nobody else loop.time()
            if loop.time() - served_s > NOBODY_S:
                raise JupiterError(f"nobody takes inputs of {self._app} any more; was the application deleted?")
            wait_s = FIRST_RETRY_S if len(again) < len(waiting) else min(2 * wait_s, LONGEST_RETRY_S)
            waiting = again
            if waiting:
                await asyncio.sleep(wait_s)
        self.waits_for_room = False
        self._clear.set()


def batches(items: Iterable[Item]) -> Iterable[list[Item]]:
    """Groups of items that are stored in one write: bounded in number and, but for a single item, in bytes."""
    batch: list[Item] = []
    size_bytes = 0
    for item in items:
        own_bytes = BATCH_BYTES if isinstance(item, Path) else len(item)
        if batch and (len(batch) == BATCH_ITEMS or size_bytes + own_bytes > BATCH_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append(item)
        size_bytes += own_bytes
    if batch:
        yield batch
