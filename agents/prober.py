"""The asking side of link probes: sends pings and bulk trains and returns what they took.

Trains are cut into the data plane's chunks and filled with random bytes, because links between servers may
compress. A probe that is not answered in full raises; it never becomes a time.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

from agents.links import CHUNK_BYTES, Train
from agents.responder import CHUNK_HEADER, GRANTED, LEASE_REQUEST, TRAIN_ANSWER
from runtime import subjects
from runtime.bus import Bus
from runtime.errors import TransportError

PING_TIMEOUT_S = 1.0
LEASE_TIMEOUT_S = 1.0
NOISE_BYTES = 1 << 20


class IncompleteTrainError(TransportError):
    """Chunks were lost on the way: no sample."""


class Prober:
    """Probes links out of one node."""

    def __init__(self, bus: Bus, node: str, rng: random.Random, clock: Callable[[], float] = time.perf_counter) -> None:
        self._bus = bus
        self._node = node
        self._rng = rng
        self._clock = clock
        self._noise = os.urandom(NOISE_BYTES)

    async def ping(self, peer: str) -> float:
        """Seconds there and back; raises TransportError without an answer."""
        started_s = self._clock()
        await self._bus.request(subjects.probe(peer, "ping"), b"", PING_TIMEOUT_S)
        return self._clock() - started_s

    async def ask_lease(self, peer: str, duration_s: float) -> bool:
        """Whether the peer takes bulk from us for so long."""
        request = LEASE_REQUEST.pack(duration_s) + self._node.encode()
        answer = await self._bus.request(subjects.probe(peer, "lease"), request, LEASE_TIMEOUT_S)
        return answer.payload == GRANTED

    def give_back(self, peer: str) -> None:
        """The peer may take bulk from others."""
        self._bus.send(subjects.probe(peer, "done"), self._node.encode())

    async def bulk(self, peer: str, size_bytes: int, timeout_s: float) -> Train:
        """Send a train; raises TransportError when it was not answered in time and in full."""
        subject = subjects.probe(peer, "bulk")
        sizes = [CHUNK_BYTES] * (size_bytes // CHUNK_BYTES)
        if rest := size_bytes % CHUNK_BYTES:
            sizes.append(rest)
        train = self._rng.getrandbits(64)
        started_s = self._clock()
        for number, chunk_bytes in enumerate(sizes[:-1]):
            self._bus.send(subject, self._chunk(train, number, len(sizes), chunk_bytes))
        last = self._chunk(train, len(sizes) - 1, len(sizes), sizes[-1])
        answer = await self._bus.request(subject, last, timeout_s)
        elapsed_s = self._clock() - started_s
        if len(answer.payload) != TRAIN_ANSWER.size:
            raise IncompleteTrainError(f"{peer} answered a probe with {len(answer.payload)} bytes")
        chunks, tail_bytes, tail_s = TRAIN_ANSWER.unpack(answer.payload)
        if chunks != len(sizes):
            raise IncompleteTrainError(f"{chunks} of {len(sizes)} chunks reached {peer}")
        return Train(size_bytes=size_bytes, elapsed_s=elapsed_s, tail_bytes=tail_bytes, tail_s=tail_s)

    def _chunk(self, train: int, number: int, count: int, size_bytes: int) -> bytes:
        start = number * CHUNK_BYTES % NOISE_BYTES
        noise = self._noise[start : start + size_bytes - CHUNK_HEADER.size]
        return CHUNK_HEADER.pack(train, number, count) + noise
