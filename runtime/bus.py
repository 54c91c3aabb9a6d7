"""The bus: one NATS connection with typed errors, our own publisher and our own pull loop.

The only importer of `nats`. Of nats-py we use the connection: handshake, TLS, keys, server pool, reconnecting,
replaying subscriptions. Reading, writing and answering are ours: its per-message task, its `publish_async` (which
never resolves on an error) and its `fetch` (which orphans pulls) are not used.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import random
import re
import socket
import sys
import termios
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import ParseResult

from nats import errors
from nats.aio.client import Client, Server, Srv
from nats.aio.transport import TcpTransport

from runtime.admission import NotAdmittedError, no_tls, refusal
from runtime.bus_core import CLOSE_GRACE_S, Core, Route
from runtime.bus_errors import BusClosed
from runtime.bus_objects import Objects
from runtime.credentials import NOBODY, Credentials
from runtime.errors import TransportError, UsageError
from runtime.keepalive import PING_INTERVAL_S, Keepalive
from runtime.wire import WireParser

logger = logging.getLogger(__name__)

READ_BYTES = 256 << 10
WRITE_HIGH_WATER_BYTES = 1 << 20
RECONNECT_FIRST_S = 0.05
RECONNECT_MOST_S = 2.0
UNDER_WAY_S = 10
"""What the peer's machine has not taken after so long is given up by ours, with the connection, also when we are dead
by then: otherwise the kernel would go on trying for a quarter of an hour, and bring it long after it was of use."""
_REFUSED = re.compile(r'Permissions Violation for Publish to "([^"]+)"')


class _Tcp(TcpTransport):
    """nats-py's transport with larger buffers, and an end that does not wait for the peer."""

    may_write: Callable[[], bool] = staticmethod(lambda: True)
    _is_silenced = False

    async def settle(self) -> None:
        """Wait until the socket took most of what was written."""
        if self._io_writer is not None:
            await self._io_writer.drain()

    async def wait_closed(self) -> None:
        """Wait until the socket is closed; it is aborted, so that takes a turn of the loop."""
        # Awaited directly, a waiter that is cancelled cancels the one future that all later ones get.
        if self._io_writer is not None:
            closing = asyncio.ensure_future(self._io_writer.wait_closed())
            closing.add_done_callback(lambda done: done.cancelled() or done.exception())
            await asyncio.wait({closing}, timeout=CLOSE_GRACE_S)

    def write_all(self, data: list[bytes]) -> None:
        """Hand it to the socket in one go; once that is forbidden, the connection is of no use."""
        if not self.may_write():
            if not self._is_silenced:  # once: a connection that is being made meanwhile must not break
                self._is_silenced = True
                self.abort()
        elif self._io_writer is not None:
            self._io_writer.writelines(data)

    writelines = write_all  # for what nats-py flushes after it has reconnected

    async def connect_tls(self, *arguments: Any) -> None:
        try:
            await super().connect_tls(*arguments)
        except BaseException:
            self.abort()
            self._io_reader = self._io_writer = None  # it would never say that it is closed
            raise
        self._bound_buffers()
        assert self._io_writer is not None
        protocol: Any = self._io_writer.transport.get_protocol()
        if protocol is not None:
            # As asyncio marks it itself: a stream under TLS cannot stay half open, and it would warn of that.
            protocol._over_ssl = True

    @property
    def is_secret(self) -> bool:
        """Whether what is said is under TLS."""
        return self._io_writer is not None and self._io_writer.get_extra_info("ssl_object") is not None

    def _bound_buffers(self) -> None:
        assert self._io_writer is not None
        self._io_writer.transport.set_write_buffer_limits(high=WRITE_HIGH_WATER_BYTES)

    def abort(self) -> None:
        """Drop the socket with what it still holds: a closed one waits for a peer that may never read."""
        if self._io_writer is not None:
            self._io_writer.transport.abort()

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        self.abort()  # nats-py leaves the socket of a failed handshake open
        await super().connect(uri, READ_BYTES, connect_timeout)
        self._bound_buffers()
        assert self._io_writer is not None
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            plug = self._io_writer.get_extra_info("socket")
            plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNDER_WAY_S * 1000)

    @property
    def unsent_bytes(self) -> int:
        """What the socket has not taken yet."""
        return 0 if self._io_writer is None else self._io_writer.transport.get_write_buffer_size()

    @property
    def untaken_bytes(self) -> int:
        """What the peer's machine has not taken yet."""
        plug = None if self._io_writer is None else self._io_writer.get_extra_info("socket")
        if plug is None or plug.fileno() < 0:
            return 0
        under_way = bytes(4)
        with contextlib.suppress(OSError):  # not every system says it
            under_way = fcntl.ioctl(plug.fileno(), termios.TIOCOUTQ, under_way)
        return self.unsent_bytes + int.from_bytes(under_way, sys.byteorder)


class _Client(Client):
    """nats-py's client with another read loop and write path, and without its ways of giving up."""

    def __init__(self, address: str | list[str], write_buffer_bytes: int) -> None:
        super().__init__()
        self._address = address
        self.core: Core | None = None
        self.last_problem: Exception | None = None
        self.handler_errors = 0
        self._routes: dict[int, Route] = {}
        self._write_bound_bytes = write_buffer_bytes
        self._flush_planned = False
        self._tcp = _Tcp()  # type: ignore[no-untyped-call] # nats-py's transport is not annotated
        self._transport = self._tcp
        self._parser = WireParser(self._dispatch)
        self._up = asyncio.Event()
        self._keepalive = Keepalive()

    def fixed_options(self) -> dict[str, Any]:
        """What nats-py's `connect` is given whatever the caller wants."""
        return {
            "error_cb": self._on_error,
            "reconnected_cb": self._on_reconnected,
            "reconnect_to_server_handler": _pace,
            "reconnect_time_wait": RECONNECT_FIRST_S,
            "max_reconnect_attempts": -1,
            "pending_size": 2 * self._write_bound_bytes,  # ours is the bound: `write`
            "flusher_queue_size": 1 << 16,
        }

    async def _on_error(self, error: Exception) -> None:
        if self.last_problem is None or not isinstance(error, OSError):
            self.last_problem = error  # what the server said tells more than that it then hung up
        if self.core is None and (refused := self._refusal(error)) is not None:
            raise refused  # nobody waits for a first connection that will never be
        logger.debug("nats: %s", error)

    def _refusal(self, error: Exception) -> NotAdmittedError | None:
        return refusal(self._address, error, is_secret=self._tcp.is_secret)

    async def _on_reconnected(self) -> None:
        self._up.set()
        if self.core is not None:
            self.core.connection_ready()

    # What runtime.bus_core.Link asks for.
    @property
    def max_payload_bytes(self) -> int:
        return self._max_payload

    @property
    def is_up(self) -> bool:
        return self._status == Client.CONNECTED

    @property
    def unsent_bytes(self) -> int:
        return self._pending_data_size + self._tcp.unsent_bytes

    def guard_writes(self, may_write: Callable[[], bool]) -> None:
        self._tcp.may_write = may_write

    def write(self, data: bytes) -> bool:
        size_bytes = self._pending_data_size + len(data)
        if size_bytes > self._write_bound_bytes:
            return False
        self._pending.append(data)
        self._pending_data_size = size_bytes
        if not self._flush_planned:
            self._flush_planned = True
            asyncio.get_running_loop().call_soon(self._flush_now)
        return True

    async def drain(self) -> None:
        self._flush_now()
        while not self.is_closed:
            if self.is_up:
                with contextlib.suppress(OSError, RuntimeError):
                    await self._tcp.settle()
                    if self._pending_data_size == 0:
                        return
                await asyncio.sleep(0.001)
            elif self._pending_data_size < self._write_bound_bytes // 2:
                return
            else:
                await self._up.wait()

    async def round_trip(self, timeout_s: float) -> bool:
        if not self.is_up:
            return False
        pong = self._ping()
        try:
            async with asyncio.timeout(timeout_s):
                return await pong
        except TimeoutError:
            return False

    def _ping(self) -> asyncio.Future[bool]:
        """Not nats-py's `_send_ping`, which overtakes what is in the buffer."""
        pong: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._pongs.append(pong)
        self._pending.append(b"PING\r\n")
        self._flush_now()
        return pong

    async def add_route(self, subject: str, route: Route) -> int:
        try:
            subscription = await self.subscribe(subject)
        except errors.BadSubjectError as exc:
            raise UsageError(f"not a subject to listen to: {subject!r}") from exc
        except errors.ConnectionClosedError as exc:
            raise BusClosed("the bus is closed") from exc
        sid: int = subscription._id
        self._routes[sid] = route
        return sid

    async def end_interest(self, sid: int) -> None:
        self._remove_sub(sid)
        if not self.is_closed:
            await self._send_unsubscribe(sid)

    def forget_route(self, sid: int) -> None:
        self._routes.pop(sid, None)

    # Instead of nats-py's own.
    def _dispatch(self, sid: int, subject: bytes, reply: bytes, block: bytes, payload: bytes) -> None:
        route = self._routes.get(sid)
        if route is None:
            return
        try:
            route(subject, reply, block, payload)
        except (Exception, asyncio.CancelledError):
            # Nobody can cancel a synchronous call: a cancellation here is a future's, taken by mistake.
            self.handler_errors += 1
            logger.exception("the handler of %r raised; the message is gone", subject)

    def _flush_now(self) -> None:
        self._flush_planned = False
        if not self._pending or not self.is_up:
            return  # a new connection flushes by itself, behind the subscriptions
        if self._tcp.unsent_bytes > self._write_bound_bytes:
            # A reader that slow holds us to the bound: what does not fit is refused in `write`.
            self._flush_planned = True
            asyncio.get_running_loop().call_later(0.01, self._flush_now)
            return
        pending, self._pending, self._pending_data_size = self._pending, [], 0
        with contextlib.suppress(OSError, RuntimeError):  # closing: the read loop sees it and reconnects
            self._tcp.write_all(pending)

    async def _connect_to_server(self, s: Srv) -> None:
        s.last_attempt = time.monotonic()
        await self._tcp.connect(s.uri, READ_BYTES, self.options["connect_timeout"])

    async def _process_connect_init(self) -> None:
        self._parser.reset()
        self._keepalive = Keepalive()
        await super()._process_connect_init()
        if self.core is not None:
            self.core.connection_made()

    def _connect_command(self) -> bytes:
        if self.options.get("tls") is not None and not self._tcp.is_secret:
            raise no_tls(self._address)
        command: bytes = super()._connect_command()
        return command

    async def _read_loop(self) -> None:
        tcp = self._tcp
        try:
            while not (self.is_closed or self.is_reconnecting):
                data = await tcp.read(READ_BYTES)
                if not data:
                    raise ConnectionResetError("the server closed the connection")
                self._keepalive.heard()
                for line in self._parser.feed(data):
                    await self._control(line)
        except Exception as exc:
            # Whatever it is, a dead read loop would be a client that silently hears nothing any more.
            await self._process_op_err(exc)

    async def _ping_interval(self) -> None:
        interval_s: float = self.options["ping_interval"]
        await asyncio.sleep(interval_s)
        while self.is_up and not self._keepalive.is_lost(self._tcp.untaken_bytes):
            self._ping()
            await asyncio.sleep(interval_s)
        await self._process_op_err(ConnectionAbortedError("the server does not answer"))  # unless there is none

    async def _control(self, line: bytes) -> None:
        if line == b"PING":
            await self._process_ping()
        elif line == b"PONG":
            self._keepalive.answered()
            if self._pongs:
                pong = self._pongs.pop(0)
                if not pong.done():  # its waiter may have given up
                    pong.set_result(True)
        elif line.startswith(b"INFO "):
            await self._process_info(json.loads(line[5:]))
        elif line.startswith(b"-ERR"):
            # Where it is fatal the server closes the connection, and we reconnect; nats-py would stop for good.
            problem = line[4:].strip().decode("utf-8", "replace")
            self.last_problem = TransportError(f"the server says: {problem}")
            refused = _REFUSED.search(problem)
            if refused is None or self.core is None or not self.core.not_permitted(refused[1]):
                logger.warning("the NATS server says: %s", problem)

    async def _process_op_err(self, e: Exception) -> None:
        if self.is_closed or self.is_reconnecting:
            return
        logger.info("connection to NATS lost: %s", e)
        self._tcp.abort()
        self._up.clear()
        pongs, self._pongs = self._pongs, []
        for pong in pongs:
            if not pong.done():
                pong.set_result(False)
        await super()._process_op_err(e)
        if self.core is not None:
            self.core.connection_lost()

    async def _attempt_reconnect(self) -> None:
        while not self.is_closed:
            try:
                await super()._attempt_reconnect()
                return
            except Exception:
                logger.exception("reconnecting to NATS failed in an unexpected way; trying again")
                await asyncio.sleep(RECONNECT_MOST_S)


def _pace(servers: list[Server], info: dict[str, Any]) -> tuple[Server | None, float]:
    """Which server to try next, and when: the least tried one, after short jittered waits."""
    server = min(servers, key=lambda server: server.reconnects)
    longest_s = min(RECONNECT_MOST_S, RECONNECT_FIRST_S * 2 ** min(server.reconnects, 10))
    return server, random.uniform(0.3, 1.0) * longest_s


class Bus(Objects):
    """One connection to NATS; made by `connect`."""


@contextlib.asynccontextmanager
async def connect(
    url: str | list[str],
    *,
    name: str,
    credentials: Credentials = NOBODY,
    connect_timeout_s: float = 5.0,
    ping_interval_s: float = PING_INTERVAL_S,
    write_buffer_bytes: int = 64 << 20,
) -> AsyncIterator[Bus]:
    """A bus that reconnects for ever once it was connected. Raises `TransportError` when the first try fails."""
    client = _Client(url, write_buffer_bytes)
    options = {
        **client.fixed_options(),
        "servers": url,
        "name": name,
        "ping_interval": ping_interval_s,
        "inbox_prefix": credentials.inbox,
        "nkeys_seed_str": credentials.seed,
        "tls": credentials.tls,
    }
    try:
        await _first_connection(client, options, connect_timeout_s)
        bus = Bus(client, credentials.inbox)
        client.core = bus
        bus.connection_made()
        await bus.open()
        try:
            yield bus
        finally:
            await bus.drain_and_close()
    finally:
        await _close(client)


async def _first_connection(client: _Client, options: dict[str, Any], timeout_s: float) -> None:
    connecting = asyncio.create_task(client.connect(**options), name="first connection to NATS")
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.wait({connecting})
            connecting.result()
            if client.is_up:
                client._up.set()
            await client._up.wait()  # the server may have answered and closed the connection at once
    except NotAdmittedError:
        raise
    except Exception as exc:
        reason = client.last_problem or exc
        raise TransportError(
            f"cannot reach NATS at {options['servers']} within {timeout_s:g} s ({reason}): "
            "start the server there, or correct the address"
        ) from exc
    finally:
        # One cancellation may be lost: `wait_for` drops it when what it waits for comes at that moment.
        while not connecting.done():
            connecting.cancel()
            await asyncio.wait({connecting}, timeout=0.05)


async def _close(client: _Client) -> None:
    """Never raises and never hangs: what had to reach the server was flushed before, so the socket is dropped."""
    client._tcp.abort()
    client._pending, client._pending_data_size = [], 0
    background = (client._reading_task, client._ping_interval_task, client._flusher_task, client._reconnection_task)
    tasks = [task for task in background if task is not None]
    with contextlib.suppress(Exception):
        async with asyncio.timeout(CLOSE_GRACE_S):
            await client.close()
    client._up.set()  # wakes whoever waited for the connection
    client._routes.clear()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await client._tcp.wait_closed()
