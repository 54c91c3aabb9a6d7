"""What a network does to a connection, on purpose: a TCP proxy in front of the server that delays, swallows and cuts.

For `jupiter verify` and tests. Each chosen component is given the address of a proxy of its own as its server's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

LOOPBACK = "127.0.0.1"
READ_BYTES = 64 << 10
UNDER_WAY_BYTES = 1 << 20
"""What a slow line holds; beyond that its sender waits."""


@dataclass(slots=True)
class Weather:
    """How the line is; anything may change at any moment and holds for bytes read from then on."""

    latency_s: float = 0.0
    """One way."""
    bandwidth_bytes_per_s: float | None = None
    swallows_answers: bool = False
    """What the server sends is lost."""
    swallows_requests: bool = False
    refuses: bool = False
    """New connections are reset at once."""


class _Chunk(NamedTuple):
    due_s: float
    data: bytes


class _Line:
    """One connection: a client's and ours to the server, until either ends."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.writers = (client, server)
        self.is_dead = asyncio.Event()
        """Half-open: nobody reads it any more, and nobody says so."""

    def reset(self) -> None:
        for writer in self.writers:
            writer.transport.abort()


class FaultProxy:
    """Forwards both ways, as the weather is."""

    def __init__(self) -> None:
        self.weather = Weather()
        self.target_port = 0
        """Of the server; set before the first client comes."""
        self.port = 0
        self._lines: set[_Line] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where its clients connect."""
        return f"nats://{LOOPBACK}:{self.port}"

    @property
    def connections(self) -> int:
        return len(self._lines)

    def cut(self) -> None:
        """Reset every connection there is."""
        for line in list(self._lines):
            line.reset()

    def half_open(self) -> None:
        """The peer of every connection there is has vanished: no byte, no end; new ones are well."""
        for line in self._lines:
            line.is_dead.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection."""
        if self.weather.refuses:
            writer.transport.abort()
            return
        try:
            answers, requests = await asyncio.open_connection(LOOPBACK, self.target_port)
        except OSError:
            writer.transport.abort()
            return
        line = _Line(writer, requests)
        self._lines.add(line)
        self._start(self._pump(line, reader, requests, lambda: self.weather.swallows_requests))
        self._start(self._pump(line, answers, writer, lambda: self.weather.swallows_answers))

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, line: _Line, source: asyncio.StreamReader, sink: asyncio.StreamWriter, swallows: Callable[[], bool]
    ) -> None:
        way = _Way(self.weather, sink)
        sending = asyncio.ensure_future(way.send())
        try:
            with contextlib.suppress(OSError):
                while data := await self._read(line, source):
                    if not swallows():
                        await way.put(data)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            line.reset()
            self._lines.discard(line)

    @staticmethod
    async def _read(line: _Line, source: asyncio.StreamReader) -> bytes:
        data = await source.read(READ_BYTES)
        if line.is_dead.is_set():
            await asyncio.Event().wait()  # until the proxy closes: what a vanished peer does not take, waits
        return data

    async def close(self) -> None:
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class _Way:
    """One direction: what was read is written when the line would have brought it."""

    def __init__(self, weather: Weather, sink: asyncio.StreamWriter) -> None:
        self._weather = weather
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._free_s = 0.0
        """When the line has taken all that was put so far."""
        self._chunks: asyncio.Queue[_Chunk] = asyncio.Queue(UNDER_WAY_BYTES // READ_BYTES)

    async def put(self, data: bytes) -> None:
        now_s = self._loop.time()
        rate = self._weather.bandwidth_bytes_per_s
        self._free_s = max(self._free_s, now_s) + (len(data) / rate if rate else 0.0)
        await self._chunks.put(_Chunk(self._free_s + self._weather.latency_s, data))

    async def send(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                chunk = await self._chunks.get()
                wait_s = chunk.due_s - self._loop.time()
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                self._sink.write(chunk.data)
                await self._sink.drain()


@contextlib.asynccontextmanager
async def fault_proxy() -> AsyncIterator[FaultProxy]:
    """A proxy that listens; its `target_port` is still to be set."""
    proxy = FaultProxy()
    listener = await asyncio.start_server(proxy.serve, LOOPBACK, 0)
    proxy.port = listener.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listener.close()
        await proxy.close()
        await listener.wait_closed()
