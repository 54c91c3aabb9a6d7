"""The pipelined publisher: many stores under way at once, each with its deadline, every one resolved.

nats-py's own waits for each acknowledgement or, pipelined, never resolves the ones that were lost or refused.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from runtime.bus_core import Core, Link, denial, fail
from runtime.bus_errors import (
    BusClosed,
    BusFault,
    NoResponders,
    RequestTimeout,
    StoreTimeout,
    StreamFull,
    WriteBufferFull,
    refusal,
)
from runtime.message import Message, Outgoing, PubAck, encode_headers
from runtime.publisher import TICK_S, PendingAnswers

BACK_OFF_FIRST_S = 0.02
BACK_OFF_MOST_S = 1.0


_Store = tuple[asyncio.Future[PubAck], str]
"""Who waits for the acknowledgement, and the subject."""


class Stores(Core):
    """Messages into streams."""

    def __init__(self, link: Link, inbox_prefix: str) -> None:
        super().__init__(link, inbox_prefix)
        self._stores: PendingAnswers[_Store] = PendingAnswers()
        self._timer: asyncio.TimerHandle | None = None

    def store(
        self,
        subject: str,
        payload: bytes,
        headers: Mapping[str, str] | None = None,
        deadline_s: float = 5.0,
    ) -> asyncio.Future[PubAck]:
        """Store one message; the future always resolves: `PubAck`, or an error of `runtime.bus_errors`.

        `StoreTimeout` and `ConnectionLost` mean *unknown*: store again with the same id.
        """
        future, data = self._prepare(subject, payload, headers, deadline_s)
        self._write_stores(data, (future,))
        return future

    def store_many(self, messages: Sequence[Outgoing], deadline_s: float = 5.0) -> list[asyncio.Future[PubAck]]:
        """`store` for many messages in one write."""
        prepared = [self._prepare(m.subject, m.payload, m.headers, deadline_s) for m in messages]
        futures = [future for future, _ in prepared]
        self._write_stores(b"".join([data for _, data in prepared]), futures)
        return futures

    async def store_until(
        self,
        subject: str,
        payload: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        deadline_s: float = 30.0,
        attempt_s: float = 5.0,
    ) -> PubAck:
        """`store`, again and again with the same headers, while the outcome is unknown or the stream is full.

        Exactly one copy only with an id (`Nats-Msg-Id`) or an expected sequence in the headers.
        """
        end_s = self._loop.time() + deadline_s
        back_off_s = BACK_OFF_FIRST_S
        while True:
            try:
                return await self.store(subject, payload, headers, attempt_s)
            except (RequestTimeout, NoResponders, StreamFull, WriteBufferFull):
                if self._loop.time() + back_off_s > end_s:
                    raise
            await asyncio.sleep(back_off_s * random.uniform(0.5, 1.0))
            back_off_s = min(BACK_OFF_MOST_S, 2 * back_off_s)

    def _prepare(
        self, subject: str, payload: bytes, headers: Mapping[str, str] | None, deadline_s: float
    ) -> tuple[asyncio.Future[PubAck], bytes]:
        token = self._next_token("s")
        block = encode_headers(headers) if headers else b""
        data = self._encode(subject, payload, block, self._inbox + token)
        future: asyncio.Future[PubAck] = self._loop.create_future()
        self._stores.add(token.encode(), (future, subject), self._loop.time() + deadline_s)
        return future, data

    def _write_stores(self, data: bytes, futures: Iterable[asyncio.Future[PubAck]]) -> None:
        if self.closed.is_set() or not self.link.write(data):
            error: BusFault = WriteBufferFull("the write buffer is full: the connection is down or slow")
            if self.closed.is_set():
                error = BusClosed("the bus is closed")
            for future in futures:
                fail(future, error)
        elif self._timer is None:
            self._timer = self._loop.call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        for future, _ in self._stores.expired(self._loop.time()):
            fail(future, StoreTimeout("no acknowledgement in time: the message may or may not be stored"))
        self._timer = self._loop.call_later(TICK_S, self._tick) if len(self._stores) else None

    def _fail_all(self, error: Callable[[], BusFault]) -> None:
        for future, _ in self._stores.take_all():
            fail(future, error())
        super()._fail_all(error)

    def not_permitted(self, subject: str) -> bool:
        denied = [future for future, name in self._stores.entries() if name == subject]
        for future in denied:
            fail(future, denial(subject))
        return super().not_permitted(subject) or bool(denied)

    def _owed(self) -> Sequence[asyncio.Future[Any]]:
        return [future for future, _ in self._stores.entries()]

    def _on_answer(self, subject: bytes, reply: bytes, block: bytes, payload: bytes) -> None:
        store = self._stores.take(subject[self._inbox_bytes :])
        if store is None:
            super()._on_answer(subject, reply, block, payload)
        elif not store[0].done():
            _resolve(store[0], block, payload)


def _resolve(future: asyncio.Future[PubAck], block: bytes, payload: bytes) -> None:
    """Only the one form a stored message is answered with is taken for an acknowledgement."""
    if payload.startswith(b'{"stream":') and b'"error"' not in payload:
        future.set_result(PubAck(payload))
    elif not payload and Message("", b"", block).status == 503:
        fail(future, NoResponders("no stream takes this subject right now"))
    else:
        try:
            error = json.loads(payload)["error"]
            fail(future, refusal(error.get("err_code", 0), error.get("description", "")))
        except (ValueError, LookupError, AttributeError, TypeError):
            fail(future, refusal(0, f"not an acknowledgement: {payload[:100]!r}"))
