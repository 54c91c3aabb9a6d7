"""Publish, subscribe and request over one connection; what the connection is made of is
`runtime.nats_client`'s.

Everything here is synchronous up to the write buffer: publishing is one append, and a handler is called straight
from the read loop. A handler only hands over; what it raises is logged and counted and ends nothing.
Closure is an event: every parked await wakes with `BusClosed`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from runtime.bus_errors import (
    BusClosed,
    BusFault,
    ConnectionLost,
    NoResponders,
    NotPermitted,
    PayloadSizeError,
    RequestTimeout,
    WriteBufferFull,
)
from runtime.message import Message, encode_acknowledgement, encode_headers, encode_publish, text

logger = logging.getLogger(__name__)

Route = Callable[[bytes, bytes, bytes, bytes], None]
"""Takes (subject, reply, header block, payload) in the read loop."""
Handler = Callable[[Message], None]

CLOSE_GRACE_S = 2.0
STORED_HEADER = "Nats-Sequence"
"""On what a direct get reads from a stream, and on nothing else."""


class Link(Protocol):
    """The connection, as this module needs it."""

    handler_errors: int

    @property
    def max_payload_bytes(self) -> int: ...
    @property
    def is_up(self) -> bool: ...
    @property
    def unsent_bytes(self) -> int: ...
    def guard_writes(self, may_write: Callable[[], bool]) -> None:
        """Ask each time before anything goes to the socket; what may not is dropped."""

    def write(self, data: bytes) -> bool: ...
    async def drain(self) -> None: ...
    async def round_trip(self, timeout_s: float) -> bool: ...
    async def add_route(self, subject: str, route: Route) -> int: ...
    async def end_interest(self, sid: int) -> None: ...
    def forget_route(self, sid: int) -> None: ...


class Subscription:
    """Interest in a subject, until `unsubscribe`; it survives reconnections."""

    def __init__(self, core: Core, sid: int) -> None:
        self._core = core
        self._sid = sid

    async def unsubscribe(self) -> None:
        """No message is handed over after this was called."""
        await self._core.drop_handler(self._sid)


class Core:
    """The part of the bus that knows subjects and acknowledgements, but no streams."""

    def __init__(self, link: Link, inbox_prefix: str) -> None:
        self.link = link
        self.connections = 0
        """How many connections there have been; grows before the first message of a new one is handed over."""
        self.refused_writes = 0
        """Messages dropped because the write buffer was at its bound."""
        self.closed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._inbox = f"{inbox_prefix}.{secrets.token_hex(8)}."
        self._inbox_bytes = len(self._inbox)
        self._last_token = 0
        self._requests: dict[bytes, asyncio.Future[Message]] = {}
        self._asked: dict[bytes, str] = {}
        """The subjects of the requests."""
        self._on_reconnect: list[Callable[[], None]] = []
        self._on_close: list[Callable[[], None]] = []
        self._inboxes = 0

    async def open(self) -> None:
        """Listen for answers; called once, on the first connection."""
        await self.link.add_route(self._inbox + "*", self._on_answer)

    # Core messages.
    def publish(self, subject: str, payload: bytes, headers: Mapping[str, str] | None = None, reply: str = "") -> bool:
        """Hand one message to the write buffer; False when that is full and the message was dropped.

        While the connection is down messages wait in the buffer (`write_buffer_bytes`) and leave after it is
        back. There is no promise: what was under way when a connection ended is gone.
        """
        block = encode_headers(headers) if headers else b""
        return self._write(self._encode(subject, payload, block, reply))

    def send(self, subject: str, payload: bytes, reply: str = "") -> bool:
        """`publish` without headers."""
        return self._write(self._encode(subject, payload, b"", reply))

    def send_many(self, messages: Iterable[tuple[str, bytes]]) -> bool:
        """Many messages in one write: all of them, or none."""
        return self._write(b"".join([self._encode(subject, payload) for subject, payload in messages]))

    async def drain_writes(self) -> None:
        """Wait until the socket has taken most of what was written: back-pressure."""
        await self.link.drain()

    async def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until the server has read all that was written; False when it did not say so in time."""
        return await self.link.round_trip(timeout_s)

    async def subscribe(self, subject: str, handler: Handler) -> Subscription:
        """Call `handler` for every message; when this returns, the server knows of the interest."""
        sid = await self.add_handler(subject, handler)
        await self.link.round_trip(CLOSE_GRACE_S)
        return Subscription(self, sid)

    async def add_handler(self, subject: str, handler: Handler) -> int:
        """`subscribe` without waiting for the server: enough for replies to what we write next."""
        self._raise_if_closed()

        def route(name: bytes, reply: bytes, block: bytes, payload: bytes) -> None:
            handler(Message(text(name), payload, block, text(reply)))

        return await self.link.add_route(subject, route)

    async def drop_handler(self, sid: int) -> None:
        """The end of `add_handler`."""
        self.link.forget_route(sid)
        await self.link.end_interest(sid)

    async def request(
        self, subject: str, payload: bytes, timeout_s: float, headers: Mapping[str, str] | None = None
    ) -> Message:
        """One question, one answer. Raises `NoResponders`, `RequestTimeout` (also when the connection ends)."""
        token = self._next_token("r")
        answer = await self._ask(token, subject, payload, timeout_s, headers, self._inbox + token)
        if answer.status == 503:
            raise NoResponders(f"nobody answers on {subject}")
        return answer

    async def request_many(self, subject: str, payload: bytes, take: Handler, timeout_s: float) -> Message:
        """One question, many answers: each goes to `take`, until a status message, which is returned."""
        inbox = self.new_inbox()

        def collect(message: Message) -> None:
            end = self._requests.get(inbox.encode())
            if end is None or end.done():
                return
            # A stored message may have a status line too, of its producer's.
            if message.status and STORED_HEADER not in message.headers:
                end.set_result(message)
            else:
                take(message)

        sid = await self.add_handler(inbox, collect)
        try:
            return await self._ask(inbox, subject, payload, timeout_s, None, inbox)
        finally:
            await self.drop_handler(sid)

    async def _ask(
        self,
        token: str,
        subject: str,
        payload: bytes,
        timeout_s: float,
        headers: Mapping[str, str] | None,
        reply: str,
    ) -> Message:
        self._raise_if_closed()
        future: asyncio.Future[Message] = self._loop.create_future()
        self._requests[token.encode()] = future
        self._asked[token.encode()] = subject
        try:
            if not self.publish(subject, payload, headers, reply):
                raise WriteBufferFull("the write buffer is full: the connection is down or slow")
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError as exc:
            if isinstance(exc, BusFault):
                raise
            raise RequestTimeout(f"no answer on {subject} within {timeout_s:g} s") from None
        finally:
            del self._requests[token.encode()], self._asked[token.encode()]

    def acknowledge(self, replies: Iterable[str]) -> bool:
        """Acknowledge deliveries, many per write. Lost ones come again: the consumer redelivers."""
        return self._write(b"".join([encode_acknowledgement(reply) for reply in replies]))

    # The connection's life.
    def on_reconnect(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after every new connection but the first; returns what undoes it."""
        self._on_reconnect.append(callback)
        return lambda: self._on_reconnect.remove(callback) if callback in self._on_reconnect else None

    def on_close(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` when the bus closes; returns what undoes it."""
        self._on_close.append(callback)
        return lambda: self._on_close.remove(callback) if callback in self._on_close else None

    def new_inbox(self) -> str:
        """A reply subject of our own, under the inbox prefix."""
        # One token more than the subscription for answers covers.
        self._inboxes += 1
        return f"{self._inbox}p.{self._inboxes}"

    def connection_made(self) -> None:
        """The link has a new connection; nothing came over it yet."""
        self.connections += 1

    def connection_ready(self) -> None:
        """Subscriptions are in force again on a new connection."""
        for callback in list(self._on_reconnect):
            self.call_safely(callback)

    def connection_lost(self) -> None:
        """Answers to what was written will not come any more."""
        self._fail_all(lambda: ConnectionLost("the connection ended before the answer came"))

    def not_permitted(self, subject: str) -> bool:
        """The server has refused what we published there; whether somebody waits for an answer, and is told."""
        asked = [token for token, each in self._asked.items() if each == subject]
        for token in asked:
            fail(self._requests[token], denial(subject))
        return bool(asked)

    def call_safely(self, callback: Callable[..., None], *arguments: object) -> None:
        """Somebody else's code: what it raises is logged and counted."""
        try:
            callback(*arguments)
        except Exception:
            self.link.handler_errors += 1
            logger.exception("a callback of the bus raised")

    async def drain_and_close(self) -> None:
        """Wait a little for acknowledgements under way, let the server read the rest, wake everybody."""
        try:
            async with asyncio.timeout(CLOSE_GRACE_S):
                owed = self._owed()
                if owed and self.link.is_up:
                    await asyncio.wait(owed)
                await self.link.round_trip(CLOSE_GRACE_S)
        except TimeoutError:
            logger.warning("closing with %d stores unanswered", len(self._owed()))
        finally:
            self.closed.set()
            for callback in list(self._on_close):
                self.call_safely(callback)
            self._fail_all(lambda: BusClosed("the bus is closed"))

    # Inside.
    def _raise_if_closed(self) -> None:
        if self.closed.is_set():
            raise BusClosed("the bus is closed")

    def _next_token(self, kind: str) -> str:
        self._last_token += 1
        return f"{kind}{self._last_token:x}"

    def _encode(self, subject: str, payload: bytes, block: bytes = b"", reply: str = "") -> bytes:
        size_bytes = len(payload) + len(block)
        if size_bytes > self.link.max_payload_bytes:
            limit = self.link.max_payload_bytes
            raise PayloadSizeError(f"a message of {size_bytes} bytes on {subject}: the server takes {limit}")
        return encode_publish(subject, payload, block, reply)

    def _write(self, data: bytes) -> bool:
        if self.closed.is_set():
            raise BusClosed("the bus is closed")
        if self.link.write(data):
            return True
        self.refused_writes += 1
        return False

    def _fail_all(self, error: Callable[[], BusFault]) -> None:
        for request in list(self._requests.values()):
            fail(request, error())

    def _owed(self) -> Sequence[asyncio.Future[Any]]:
        """Answers that are worth a moment's wait when we close."""
        return ()

    def _on_answer(self, subject: bytes, reply: bytes, block: bytes, payload: bytes) -> None:
        request = self._requests.get(subject[self._inbox_bytes :])
        if request is not None and not request.done():
            request.set_result(Message(text(subject), payload, block, text(reply)))


def denial(subject: str) -> NotPermitted:
    """The server refuses what we publish there."""
    return NotPermitted(f"the key we connect with may not publish to {subject}")


def fail(future: asyncio.Future[Any], error: BusFault) -> None:
    """Resolve with an error, unless it is resolved."""
    if not future.done():
        future.set_exception(error)
        # Asking marks it as seen: thousands that fail together must not fill the log when nobody looks.
        future.exception()
