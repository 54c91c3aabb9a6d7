"""The fault proxy does to a connection just what it was told."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from deploy.fault_proxy import FaultProxy, fault_proxy

SILENCE_S = 0.15


@contextlib.asynccontextmanager
async def echoing() -> AsyncIterator[FaultProxy]:
    """A proxy in front of a server that sends back what it gets."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        async with fault_proxy() as proxy:
            proxy.target_port = server.sockets[0].getsockname()[1]
            yield proxy
    finally:
        server.close()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def says(self, data: bytes) -> bytes:
        """What comes back; nothing after a while of silence."""
        self.writer.write(data)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SILENCE_S):
                return await self.reader.readexactly(len(data))
        return b""


@contextlib.asynccontextmanager
async def client(proxy: FaultProxy) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


async def test_in_good_weather_everything_goes_through() -> None:
    async with echoing() as proxy, client(proxy) as one, client(proxy) as other:
        assert await one.says(b"hello") == b"hello"
        assert await other.says(bytes(100_000)) == bytes(100_000)
        assert proxy.connections == 2


async def test_a_cut_ends_every_connection_and_refusing_lets_none_in() -> None:
    async with echoing() as proxy, client(proxy) as one:
        assert await one.says(b"hello") == b"hello"
        proxy.weather.refuses = True
        proxy.cut()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await one.says(b"again")
        async with client(proxy) as refused:
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await refused.says(b"anybody?")
        proxy.weather.refuses = False
        async with client(proxy) as other:
            assert await other.says(b"hello") == b"hello"


async def test_half_open_is_silence_without_an_end_and_new_connections_are_well() -> None:
    async with echoing() as proxy, client(proxy) as one:
        assert await one.says(b"hello") == b"hello"
        proxy.half_open()
        assert await one.says(b"are you there?") == b""
        assert await one.says(b"hello?") == b""
        assert not one.reader.at_eof()
        async with client(proxy) as other:
            assert await other.says(b"hello") == b"hello"


@pytest.mark.parametrize("lost", ["swallows_answers", "swallows_requests"])
async def test_what_is_swallowed_is_lost_and_the_line_stays(lost: str) -> None:
    async with echoing() as proxy, client(proxy) as one:
        setattr(proxy.weather, lost, True)
        assert await one.says(b"lost") == b""
        setattr(proxy.weather, lost, False)
        assert await one.says(b"hello") == b"hello"


async def test_a_slow_line_takes_its_time_and_loses_nothing() -> None:
    async with echoing() as proxy, client(proxy) as one:
        proxy.weather.latency_s = 0.04
        start_s = time.monotonic()
        assert await one.says(b"hello") == b"hello"
        assert time.monotonic() - start_s >= 0.08
        proxy.weather.latency_s = 0.0
        proxy.weather.bandwidth_bytes_per_s = 1_000_000.0
        start_s = time.monotonic()
        assert await one.says(bytes(50_000)) == bytes(50_000)
        assert time.monotonic() - start_s >= 0.05
