"""The socket of the bus, with the methods that nats-py asks of a transport.

What comes is handed over as it comes, without a task that waits for it; what goes out goes in one piece, if it still
may; and its end waits for no peer.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import ssl
import sys
import termios
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, cast
from urllib.parse import ParseResult

from runtime.wire import MAX_LINE_BYTES

NATS_PORT = 4222
WRITE_HIGH_WATER_BYTES = 1 << 20
CLOSED_S = 2.0
"""An aborted socket is closed within a turn of the loop; whoever waits for that does not wait for longer."""
UNDER_WAY_S = 10
"""What the peer's machine has not taken after so long is given up by ours, with the connection, also when we are dead
by then: otherwise the kernel would go on trying for a quarter of an hour, and bring it long after it was of use."""

Take = Callable[[bytes], list[bytes]]
"""Gets what has come, and returns the control lines in it."""


class _Ear(asyncio.Protocol):
    """Hears one connection: keeps what comes, until somebody takes it as it comes."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.lines: deque[bytes] = deque()
        self.problem: Exception | None = None
        """What ended it."""
        self.closed = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()
        self._held = bytearray()
        self._take: Take | None = None
        self._news = asyncio.Event()

    # What the event loop calls.
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.begin(cast(asyncio.Transport, transport))  # uvloop's are none by inheritance

    def data_received(self, data: bytes) -> None:
        if self.problem is not None:
            return
        if self._take is None:
            self._held += data
            self._news.set()
            return
        try:
            lines = self._take(data)
        except Exception as error:
            self.end(error)
        else:
            if lines:
                self.lines += lines
                self._news.set()

    def eof_received(self) -> None:
        self.end(ConnectionAbortedError("the server closed the connection"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.end(exc or ConnectionResetError("the connection is closed"))
        self.closed.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    # What the socket calls.
    def begin(self, transport: asyncio.Transport) -> None:
        """This is the connection."""
        self.transport = transport
        transport.set_write_buffer_limits(high=WRITE_HIGH_WATER_BYTES)

    def end(self, problem: Exception) -> None:
        """Hear no more, and keep nothing for a peer that may never read."""
        self.problem = self.problem or problem
        self._news.set()
        self.writable.set()
        if self.transport is not None:
            self.transport.abort()

    async def line(self) -> bytes:
        """The next line, with its end. Raises what ended the connection."""
        while (end := self._held.find(b"\n") + 1) == 0:
            if len(self._held) > MAX_LINE_BYTES:
                raise ConnectionAbortedError(f"a line of more than {MAX_LINE_BYTES} bytes")
            await self.news()
        line = bytes(self._held[:end])
        del self._held[:end]
        return line

    def listen(self, take: Take) -> None:
        """From now on, what comes goes to `take`."""
        held, self._held, self._take = bytes(self._held), bytearray(), take
        if held:
            self.data_received(held)

    async def news(self) -> None:
        """Wait until something has come. Raises what ended the connection."""
        if self.problem is not None:
            raise self.problem
        self._news.clear()
        await self._news.wait()


class Tcp:
    """One connection after the other. Errors are OSErrors."""

    may_write: Callable[[], bool] = staticmethod(lambda: True)

    def __init__(self) -> None:
        self._ear: _Ear | None = None
        self._is_silenced = False

    def __bool__(self) -> bool:
        return self._ear is not None

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: float) -> None:
        """Within so many seconds. `buffer_size` is nats-py's wish; there are no buffers."""
        self.abort()  # nats-py leaves the socket of a failed handshake open
        async with asyncio.timeout(connect_timeout):
            loop, host, port = asyncio.get_running_loop(), uri.hostname or "", uri.port or NATS_PORT
            transport, self._ear = await loop.create_connection(_Ear, host, port)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            plug = transport.get_extra_info("socket")
            plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNDER_WAY_S * 1000)

    async def connect_tls(
        self, uri: str | ParseResult, ssl_context: ssl.SSLContext, buffer_size: int, connect_timeout: float
    ) -> None:
        """Go on under TLS; what was said before, and not read, counts for nothing."""
        bare, ear = self._heard(), _Ear()
        assert bare.transport is not None
        hostname = uri if isinstance(uri, str) else uri.hostname
        self._ear = None  # one that fails would never say that it is closed
        try:
            async with asyncio.timeout(connect_timeout):
                transport = await asyncio.get_running_loop().start_tls(
                    bare.transport, ear, ssl_context, server_hostname=hostname
                )
        except BaseException:
            bare.transport.abort()
            raise
        assert transport is not None
        ear.begin(transport)
        self._ear = ear

    # Reading.
    async def readline(self) -> bytes:
        """One line, while a connection is made."""
        return await self._heard().line()

    async def hear(self, take: Take) -> AsyncIterator[bytes]:
        """From now on hand all that comes to `take`, at once; the lines that it returns come here, until the connection
        ends. Raises what ended it: an OSError, or what `take` raised."""
        ear = self._heard()
        ear.listen(take)
        while True:
            while ear.lines:
                yield ear.lines.popleft()
            await ear.news()

    def _heard(self) -> _Ear:
        if self._ear is None:
            raise ConnectionResetError("there is no connection")
        return self._ear

    # Writing.
    def write(self, data: bytes) -> None:
        """What makes a connection."""
        if self._ear is not None and self._ear.transport is not None:
            self._ear.transport.write(data)

    def writelines(self, data: list[bytes]) -> None:
        """Hand it to the socket in one go; once that is forbidden, the connection is of no use."""
        if not self.may_write():
            if not self._is_silenced:  # once: a connection that is being made meanwhile must not break
                self._is_silenced = True
                self.abort()
        elif self._ear is not None and self._ear.transport is not None:
            self._ear.transport.writelines(data)

    async def drain(self) -> None:
        """Wait until the socket took most of what was written."""
        ear = self._heard()
        await ear.writable.wait()
        if ear.problem is not None:
            raise ear.problem

    @property
    def unsent_bytes(self) -> int:
        """What the socket has not taken yet."""
        transport = None if self._ear is None else self._ear.transport
        return 0 if transport is None else transport.get_write_buffer_size()

    @property
    def untaken_bytes(self) -> int:
        """What the peer's machine has not taken yet."""
        plug = self._extra("socket")
        if plug is None or plug.fileno() < 0:
            return 0
        under_way = bytes(4)
        with contextlib.suppress(OSError):  # not every system says it
            under_way = fcntl.ioctl(plug.fileno(), termios.TIOCOUTQ, under_way)
        return self.unsent_bytes + int.from_bytes(under_way, sys.byteorder)

    @property
    def is_secret(self) -> bool:
        """Whether what is said is under TLS."""
        return self._extra("ssl_object") is not None

    def _extra(self, name: str) -> Any:
        transport = None if self._ear is None else self._ear.transport
        return None if transport is None else transport.get_extra_info(name)

    # The end.
    def abort(self) -> None:
        """Drop the socket with what it still holds: a closed one waits for a peer that may never read."""
        if self._ear is not None:
            self._ear.lines.clear()
            self._ear.end(ConnectionAbortedError("the connection was dropped"))

    close = abort

    async def wait_closed(self) -> None:
        """Wait until the socket is closed."""
        if self._ear is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSED_S):
                    await self._ear.closed.wait()
