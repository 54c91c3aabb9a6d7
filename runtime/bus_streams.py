"""Streams and consumers on the bus: made, read, purged and pulled from.

Management calls are JSON requests, named in `runtime.jetstream`. Each is idempotent, so each is repeated while the
server does not answer or is not ready, until its deadline.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import Callable
from typing import Any, Literal

from runtime.bus_core import STORED_HEADER
from runtime.bus_errors import (
    CONSUMER_NOT_FOUND,
    MESSAGE_NOT_FOUND,
    NOT_READY,
    STREAM_NAME_IN_USE,
    STREAM_NOT_FOUND,
    ApiError,
    NoResponders,
    RequestTimeout,
    WriteBufferFull,
)
from runtime.bus_store import BACK_OFF_FIRST_S, BACK_OFF_MOST_S, Stores
from runtime.jetstream import API, STREAM_NAMES, direct_get, of_consumer, of_stream
from runtime.message import Delivery, Message, StoredMessage, parse_headers
from runtime.pulling import EXPIRES_S, HEARTBEAT_S, Pull
from runtime.streams import ConsumerSpec, ConsumerState, StreamSpec, StreamState, changes, parse_time_s

API_DEADLINE_S = 10.0
API_ATTEMPT_S = 2.0


class Streams(Stores):
    """What the bus knows of JetStream."""

    async def api(self, name: str, body: object = None, deadline_s: float = API_DEADLINE_S) -> dict[str, Any]:
        """One management call. Raises `ApiError`, or the last transport error when the deadline passed."""
        payload = b"" if body is None else json.dumps(body).encode()
        end_s = self._loop.time() + deadline_s
        back_off_s = BACK_OFF_FIRST_S
        while True:
            try:
                answer = await self.request(API + name, payload, min(API_ATTEMPT_S, deadline_s))
                fields: dict[str, Any] = json.loads(answer.payload)
                error = fields.get("error")
                if error is None:
                    return fields
                raise ApiError(name, error.get("err_code", 0), error.get("description", ""))
            except (NoResponders, RequestTimeout, WriteBufferFull, ApiError) as exc:
                if isinstance(exc, ApiError) and exc.code not in NOT_READY:
                    raise
                if self._loop.time() + back_off_s > end_s:
                    raise
            await asyncio.sleep(back_off_s * random.uniform(0.5, 1.0))
            back_off_s = min(BACK_OFF_MOST_S, 2 * back_off_s)

    async def ensure_stream(self, spec: StreamSpec) -> StreamState:
        """Create the stream and its consumers, or bring them to this form; safe to call from many at once."""
        wanted = spec.to_config()
        while True:
            try:
                info = await self.api(of_stream("INFO", spec.name))
                updated = changes(info["config"], wanted)
                if updated is not None:
                    info = await self.api(of_stream("UPDATE", spec.name), updated)
                break
            except ApiError as exc:
                if exc.code != STREAM_NOT_FOUND:
                    raise
            try:
                info = await self.api(of_stream("CREATE", spec.name), wanted)
                break
            except ApiError as exc:
                if exc.code != STREAM_NAME_IN_USE:
                    raise  # somebody created it in between: look again
        for consumer in spec.consumers:
            await self._ensure_consumer(spec.name, consumer)
        return StreamState.read(info)

    async def delete_stream(self, name: str) -> bool:
        """Delete with all it holds; False when there was none."""
        return await self._unless_missing(of_stream("DELETE", name)) is not None

    async def stream_state(self, name: str) -> StreamState | None:
        """None when there is no such stream."""
        info = await self._unless_missing(of_stream("INFO", name))
        return None if info is None else StreamState.read(info)

    async def stream_names(self, subject: str) -> list[str]:
        """The streams that keep any of these subjects, sorted."""
        names: list[str] = []
        while True:
            answer = await self.api(STREAM_NAMES, {"subject": subject, "offset": len(names)})
            page = answer.get("streams") or []
            names += page
            if not page or len(names) >= answer.get("total", 0):
                return sorted(names)

    async def ensure_consumer(
        self,
        stream: str,
        name: str,
        ack_wait_s: float = 30.0,
        max_ack_pending: int = -1,
        filter_subject: str = "",
        acknowledge: Literal["explicit", "none"] = "explicit",
    ) -> ConsumerState:
        """Create the durable pull consumer, or bring it to this form."""
        spec = ConsumerSpec(
            name=name,
            ack_wait_s=ack_wait_s,
            max_ack_pending=max_ack_pending,
            filter_subject=filter_subject,
            acknowledge=acknowledge,
        )
        return await self._ensure_consumer(stream, spec)

    async def _ensure_consumer(self, stream: str, spec: ConsumerSpec) -> ConsumerState:
        # Without an action the server creates or updates; with a filter the subject must name it.
        name = of_consumer("CREATE", stream, spec.name, spec.filter_subject)
        body = {"stream_name": stream, "config": spec.to_config()}
        return ConsumerState.read(await self.api(name, body))

    async def delete_consumer(self, stream: str, name: str) -> bool:
        """False when there was none."""
        return await self._unless_missing(of_consumer("DELETE", stream, name)) is not None

    async def consumer_state(self, stream: str, name: str) -> ConsumerState | None:
        """None when there is no such consumer."""
        info = await self._unless_missing(of_consumer("INFO", stream, name))
        return None if info is None else ConsumerState.read(info)

    async def purge(self, stream: str, subject: str | None = None, up_to_sequence: int | None = None) -> int:
        """Drop messages, of one subject or all, up to and with a sequence or all; returns how many."""
        body: dict[str, Any] = {}
        if subject is not None:
            body["filter"] = subject
        if up_to_sequence is not None:
            body["seq"] = up_to_sequence + 1
        return int((await self.api(of_stream("PURGE", stream), body)).get("purged", 0))

    async def get_message(self, stream: str, sequence: int) -> StoredMessage | None:
        """The message at a sequence, read from the leader; None when it is not there any more."""
        return await self._get(stream, {"seq": sequence})

    async def leader_last_message(self, stream: str, subject: str) -> StoredMessage | None:
        """`last_message` as the stream's leader knows it: never behind, but it needs a leader."""
        return await self._get(stream, {"last_by_subj": subject})

    async def last_message(self, stream: str, subject: str, timeout_s: float = API_DEADLINE_S) -> StoredMessage | None:
        """The last message of a subject from any replica (direct get); None when there is none, or no such stream."""
        end_s = self._loop.time() + timeout_s
        back_off_s = BACK_OFF_FIRST_S
        while True:
            try:
                answer = await self.request(API + direct_get(stream, subject), b"", API_ATTEMPT_S)
                return stored_message(answer) if STORED_HEADER in answer.headers else None
            except (NoResponders, RequestTimeout, WriteBufferFull) as exc:
                if isinstance(exc, NoResponders) and await self.stream_state(stream) is None:
                    return None
                if self._loop.time() + back_off_s > end_s:
                    raise
            await asyncio.sleep(back_off_s)
            back_off_s = min(BACK_OFF_MOST_S, 2 * back_off_s)

    async def reset_consumer(self, stream: str, name: str) -> ConsumerState:
        """Deliver again, at once, everything that was delivered and not acknowledged."""
        return ConsumerState.read(await self.api(of_consumer("RESET", stream, name), {}))

    async def pull(
        self,
        stream: str,
        consumer: str,
        handler: Callable[[Delivery], None],
        heartbeat_s: float = HEARTBEAT_S,
        expires_s: float = EXPIRES_S,
    ) -> Pull:
        """A standing pull: nothing comes before `want` was called. It survives reconnections."""
        pull = Pull(self, stream, consumer, handler, heartbeat_s, expires_s)
        await pull.start()
        return pull

    async def _unless_missing(self, name: str) -> dict[str, Any] | None:
        try:
            return await self.api(name)
        except ApiError as exc:
            if exc.code in (STREAM_NOT_FOUND, CONSUMER_NOT_FOUND):
                return None
            raise

    async def _get(self, stream: str, body: dict[str, Any]) -> StoredMessage | None:
        try:
            message = (await self.api(of_stream("MSG.GET", stream), body))["message"]
        except ApiError as exc:
            if exc.code == MESSAGE_NOT_FOUND:
                return None
            raise
        block = base64.b64decode(message.get("hdrs") or "")
        return StoredMessage(
            subject=message["subject"],
            payload=base64.b64decode(message.get("data") or ""),
            headers=parse_headers(block),
            sequence=message["seq"],
            timestamp_s=parse_time_s(message["time"]),
        )


def stored_message(answer: Message) -> StoredMessage:
    """A direct get's answer: the message with its place in headers of the server's."""
    headers = dict(answer.headers)
    subject = headers.pop("Nats-Subject")
    sequence = int(headers.pop(STORED_HEADER))
    timestamp_s = parse_time_s(headers.pop("Nats-Time-Stamp"))
    for name in ("Nats-Stream", "Nats-Num-Pending", "Nats-Last-Sequence", "Nats-UpTo-Sequence"):
        headers.pop(name, None)
    return StoredMessage(subject, answer.payload, headers, sequence, timestamp_s)
