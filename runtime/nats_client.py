"""nats-py's client, of which we use the connection: handshake, TLS, keys, server pool, reconnecting, replaying
subscriptions. The only importer of `nats`.

Reading, writing and answering are ours: its per-message task, its `publish_async` (which never resolves on an error)
and its `fetch` (which orphans pulls) are not used.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import re
import time
from collections.abc import Callable
from typing import Any

from nats import errors
from nats.aio.client import Client, Server, Srv

from runtime.admission import NotAdmittedError, no_tls, refusal
from runtime.bus_core import CLOSE_GRACE_S, Core, Route
from runtime.bus_errors import BusClosed
from runtime.errors import TransportError, UsageError
from runtime.keepalive import Keepalive
from runtime.tcp import Tcp
from runtime.wire import WireParser

logger = logging.getLogger(__name__)

RECONNECT_FIRST_S = 0.05
RECONNECT_MOST_S = 2.0
_REFUSED = re.compile(r'Permissions Violation for Publish to "([^"]+)"')


class NatsClient(Client):
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
        self._tcp = Tcp()
        self._transport = self._tcp  # type: ignore[assignment] # all of its methods that are called (`test_nats_seam`)
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

    async def wait_until_up(self) -> None:
        """Returns while there is a connection."""
        if self.is_up:
            self._up.set()
        await self._up.wait()

    async def shut(self) -> None:
        """Never raises and never hangs: what had to reach the server was flushed before, so the socket is dropped."""
        self._tcp.abort()
        self._pending, self._pending_data_size = [], 0
        background = (self._reading_task, self._ping_interval_task, self._flusher_task, self._reconnection_task)
        tasks = [task for task in background if task is not None]
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_GRACE_S):
                await self.close()
        self._up.set()  # wakes whoever waited for the connection
        self._routes.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._tcp.wait_closed()

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
                    await self._tcp.drain()
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
            self._tcp.writelines(pending)

    async def _connect_to_server(self, s: Srv) -> None:
        s.last_attempt = time.monotonic()
        await self._tcp.connect(s.uri, 0, self.options["connect_timeout"])

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
        try:
            async for line in self._tcp.hear(self._feed):
                await self._control(line)
        except Exception as exc:
            # Whatever it is, a dead read loop would be a client that silently hears nothing any more.
            await self._process_op_err(exc)

    def _feed(self, data: bytes) -> list[bytes]:
        self._keepalive.heard()
        return self._parser.feed(data)

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
