"""The answering side of link probes: pings, leases, and the arrival times of bulk trains.

Arrival is timed first thing in the handler. What is not a probe is refused.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Callable

from agents.lease import Lease
from runtime import subjects
from runtime.bus import Bus
from runtime.message import Message, inbox_of
from runtime.refusals import refuse

CHUNK_HEADER = struct.Struct(">QII")
"""Train, number of this chunk, chunks in the train; random bytes follow."""
TRAIN_ANSWER = struct.Struct(">IQd")
"""Chunks that arrived, bytes after the first chunk, seconds they took."""
LEASE_REQUEST = struct.Struct(">d")
"""Seconds, then the node that asks."""
GRANTED, BUSY = b"granted", b"busy"
LONGEST_LEASE_S = 60.0


class Responder:
    """Serves `jupiter.probe.<node>.*`."""

    def __init__(self, bus: Bus, node: str, lease: Lease, clock: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._node = node
        self._lease = lease
        self._clock = clock
        self._train = 0
        self._chunks = 0
        self._tail_bytes = 0
        self._first_s = 0.0

    async def serve(self) -> None:
        """Start to answer; before the node is announced, so that whoever hears of it is answered."""
        handlers = {"ping": self._ping, "lease": self._ask, "done": self._done, "bulk": self._chunk}
        for kind, handler in handlers.items():
            await self._bus.subscribe(subjects.probe(self._node, kind), handler)

    def _ping(self, message: Message) -> None:
        self._answer(message, b"")

    def _ask(self, message: Message) -> None:
        try:
            (duration_s,) = LEASE_REQUEST.unpack_from(message.payload)
            holder = message.payload[LEASE_REQUEST.size :].decode()
        except (struct.error, UnicodeDecodeError) as error:
            refuse("a probe", error)
            return
        if not math.isfinite(duration_s):
            refuse("a probe", f"a lease of {duration_s} s")
            return
        duration_s = min(max(duration_s, 0.0), LONGEST_LEASE_S)
        self._answer(message, GRANTED if self._lease.take(holder, duration_s, self._clock()) else BUSY)

    def _done(self, message: Message) -> None:
        self._lease.release(message.payload.decode("utf-8", "replace"))

    def _chunk(self, message: Message) -> None:
        now_s = self._clock()
        try:
            train, number, count = CHUNK_HEADER.unpack_from(message.payload)
        except struct.error as error:
            refuse("a probe", error)
            return
        if train != self._train:
            self._train, self._chunks, self._tail_bytes, self._first_s = train, 0, 0, now_s
        else:
            self._tail_bytes += len(message.payload)
        self._chunks += 1
        if number == count - 1:
            answer = TRAIN_ANSWER.pack(self._chunks, self._tail_bytes, now_s - self._first_s)
            self._answer(message, answer)

    def _answer(self, message: Message, payload: bytes) -> None:
        try:
            self._bus.send(inbox_of(message), payload)
        except ValueError as error:
            refuse("a probe", error)
