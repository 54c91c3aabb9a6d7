"""What one connection hears, without a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from runtime.tcp import Tcp, _Ear


class FakeTransport:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.aborts = 0

    def writelines(self, data: list[bytes]) -> None:
        self.written += data

    def set_write_buffer_limits(self, high: int) -> None: ...

    def abort(self) -> None:
        self.aborts += 1


def connected() -> tuple[Tcp, _Ear, FakeTransport]:
    tcp, ear, transport = Tcp(), _Ear(), FakeTransport()
    ear.connection_made(cast(asyncio.BaseTransport, transport))
    tcp._ear = ear
    return tcp, ear, transport


async def heard(tcp: Tcp, take: Callable[[bytes], list[bytes]]) -> tuple[list[bytes], Exception]:
    lines: list[bytes] = []
    try:
        async for line in tcp.hear(take):
            lines.append(line)  # noqa: PERF401 - what came before the error is wanted
    except Exception as error:
        return lines, error
    raise AssertionError("it only ends with an error")


async def test_lines_are_read_one_by_one_and_the_rest_is_handed_over() -> None:
    tcp, ear, _ = connected()
    reading = asyncio.create_task(tcp.readline())
    await asyncio.sleep(0)
    ear.data_received(b"INFO {")
    ear.data_received(b"}\r\nPONG\r\nMSG")
    assert await reading == b"INFO {}\r\n"
    assert await tcp.readline() == b"PONG\r\n"
    taken: list[bytes] = []
    hearing = asyncio.create_task(heard(tcp, lambda data: taken.append(data) or [data.upper()]))  # type: ignore[func-returns-value]
    await asyncio.sleep(0)
    ear.data_received(b" later")
    ear.eof_received()
    lines, error = await hearing
    assert taken == [b"MSG", b" later"]
    assert lines == [b"MSG", b" LATER"]
    assert isinstance(error, OSError)


async def test_what_was_said_before_the_end_is_read_before_the_error() -> None:
    tcp, ear, transport = connected()
    ear.data_received(b"-ERR 'Authorization Violation'\r\n")
    ear.eof_received()
    assert await tcp.readline() == b"-ERR 'Authorization Violation'\r\n"
    with pytest.raises(OSError, match="server closed"):
        await tcp.readline()
    assert transport.aborts


async def test_what_cannot_be_taken_ends_the_connection() -> None:
    tcp, ear, transport = connected()

    def take(data: bytes) -> list[bytes]:
        raise ValueError("not the protocol")

    hearing = asyncio.create_task(heard(tcp, take))
    await asyncio.sleep(0)
    ear.data_received(b"noise")
    ear.data_received(b"more, which nobody hears")
    _, error = await hearing
    assert isinstance(error, ValueError)
    assert transport.aborts


async def test_of_a_dropped_connection_nothing_is_heard_any_more() -> None:
    tcp, ear, _ = connected()
    hearing = asyncio.create_task(heard(tcp, lambda data: [data]))
    await asyncio.sleep(0)
    ear.data_received(b"PONG of the old connection")
    tcp.abort()
    ear.data_received(b"late")
    lines, error = await hearing
    assert lines == []
    assert isinstance(error, OSError)


async def test_who_may_not_write_any_more_is_cut_off_once() -> None:
    tcp, _, transport = connected()
    tcp.writelines([b"one"])
    tcp.may_write = lambda: False
    tcp.writelines([b"two"])
    tcp.writelines([b"three"])
    assert transport.written == [b"one"]
    assert transport.aborts == 1


async def test_waiting_for_room_ends_with_the_connection() -> None:
    tcp, ear, _ = connected()
    ear.pause_writing()
    draining: asyncio.Task[Any] = asyncio.create_task(tcp.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    ear.connection_lost(None)
    with pytest.raises(OSError, match="closed"):
        await draining
    await tcp.wait_closed()
