"""Records: the last value of a subject, in a stream that keeps one message per subject."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from runtime.bus_errors import NoResponders, RequestTimeout
from runtime.bus_streams import Streams, stored_message
from runtime.following import Follow
from runtime.jetstream import API, direct_get
from runtime.message import Message, Record, StoredMessage

PAGE_MESSAGES = 256
PAGE_BYTES = 4 << 20
PAGE_TIMEOUT_S = 5.0


class Records(Streams):
    """Records, and reading streams without a consumer."""

    async def put_record(
        self,
        subject: str,
        payload: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        expected_last_sequence: int | None = None,
        deadline_s: float = 10.0,
    ) -> int:
        """Store a record; returns its stream sequence. An empty payload would mean *gone*.

        With `expected_last_sequence` (0: no record yet) it raises `WrongLastSequence` when the subject holds
        another; as the answer to a first try can be lost, read the record before you believe that.
        """
        if expected_last_sequence is not None:
            expected = {"Nats-Expected-Last-Subject-Sequence": str(expected_last_sequence)}
            headers = {**(headers or {}), **expected}
        return (await self.store_until(subject, payload, headers, deadline_s=deadline_s)).sequence

    async def delete_record(self, stream: str, subject: str) -> int:
        """Store an empty message: for every reader the record is gone.

        It stays as the subject's last message. Purging it as well was tried: the limit of one message per
        subject removes older values without a trace on disk, so after `kill -9` of the server a value from
        before the purge was the last one again. So it was when the empty message had a lifetime (`Nats-TTL`).
        """
        return await self.put_record(subject, b"", {"Nats-Expected-Stream": stream})

    def follow(
        self,
        stream: str,
        subject_filter: str,
        handler: Callable[[Record], None],
        resync_s: float = 30.0,
    ) -> Follow:
        """Hand over the present records, then every change, in milliseconds; a gone one has no payload.

        A record whose age limit passes is noticed at the next re-reading, every `resync_s`.
        """
        return Follow(self, stream, subject_filter, handler, resync_s)

    async def snapshot(self, stream: str, subject_filter: str) -> list[Record]:
        """The present records, in the order they were stored."""
        messages = await self.read_stream(stream, subject_filter)
        return [message.as_record() for message in messages if message.payload]

    async def read_stream(self, stream: str, subject_filter: str, first_sequence: int = 1) -> list[StoredMessage]:
        """All messages of a stream that match, from a sequence on, without a consumer."""
        messages: list[StoredMessage] = []
        while page := await self.read_page(stream, subject_filter, first_sequence):
            messages.extend(page)
            first_sequence = page[-1].sequence + 1
        return messages

    async def read_page(
        self,
        stream: str,
        subject_filter: str,
        first_sequence: int,
        count: int = PAGE_MESSAGES,
    ) -> list[StoredMessage]:
        """The next messages from a sequence on; empty at the end. Read by direct get, from any replica."""
        body = {
            "seq": first_sequence,
            "next_by_subj": subject_filter,
            "batch": count,
            "max_bytes": PAGE_BYTES,
        }
        page: list[StoredMessage] = []

        def collect(message: Message) -> None:
            previous = page[-1].sequence if page else 0
            if int(message.headers.get("Nats-Last-Sequence", "0")) == previous:
                page.append(stored_message(message))

        subject = API + direct_get(stream)
        last = await self.request_many(subject, json.dumps(body).encode(), collect, PAGE_TIMEOUT_S)
        if last.status == 503:
            raise NoResponders(f"nobody serves stream {stream}")
        if last.status == 204 and page and int(last.headers["Nats-Last-Sequence"]) != page[-1].sequence:
            raise RequestTimeout(f"part of a page of stream {stream} was lost")
        return page
