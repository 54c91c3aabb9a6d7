"""Links out of one node: who is there, when each link is probed, and the row that says what is known.

One task per peer. Pings are frequent and cheap; bulk is rare and exclusive: it needs this node's lease and the
peer's. A node that joins is probed by each of the others and probes them; other pairs hear nothing of it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import dataclass, field

from agents.lease import Lease
from agents.links import LinkHistory, has_moved
from agents.prober import Prober
from agents.responder import Responder
from runtime import codec, subjects
from runtime.bus import Bus
from runtime.errors import TransportError
from runtime.profiles import LinkEstimate, LinkRow, NodeProfile

logger = logging.getLogger(__name__)

PING_PERIOD_S = 2.0
PING_AGAIN_S = 0.5
"""After a loss, so that a dead link is known to be dead within seconds."""
FIRST_PINGS = 8
FIRST_PING_PAUSE_S = 0.002
WARM_UP_PINGS = 2
BULK_PERIOD_S = 600.0
BUSY_PAUSE_S = 0.02
FAILED_PAUSE_S = 5.0
JITTER_RATIO = 0.2
ROW_PERIOD_S = 30.0
ROW_PAUSE_S = 0.05
FORGET_AFTER_S = 60.0
"""A peer that said nothing for so long is left out, whether or not it took its leave."""


@dataclass(slots=True)
class _Peer:
    agent: str
    heard_s: float
    history: LinkHistory = field(default_factory=LinkHistory)
    next_bulk_s: float = 0.0
    task: asyncio.Task[None] | None = None
    published: LinkEstimate | None = None


class LinkProfiler:
    """Measures the links from `node` to every other node it hears of, and publishes the row."""

    def __init__(self, bus: Bus, node: str, rng: random.Random) -> None:
        lease = Lease()
        self._bus = bus
        self._node = node
        self._rng = rng
        self._lease = lease
        self._prober = Prober(bus, node, rng)
        self._responder = Responder(bus, node, lease)
        self._peers: dict[str, _Peer] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._changed = asyncio.Event()

    async def answer(self) -> None:
        """Answer the others' probes; before this node is announced."""
        await self._responder.serve()

    def heard(self, profile: NodeProfile) -> None:
        """A node's sign of life, or its leave."""
        if profile.node == self._node:
            return
        if profile.gone:
            self._forget(profile.node)
            return
        peer = self._peers.get(profile.node)
        if peer is None:
            peer = self._peers[profile.node] = _Peer(profile.agent, time.monotonic())
            self._watch(profile.node, peer)
        elif peer.agent != profile.agent:
            # Another process, perhaps another machine: what is known holds until it is measured again.
            peer.agent, peer.next_bulk_s = profile.agent, 0.0
        peer.heard_s = time.monotonic()

    async def run(self) -> None:
        """Probe and publish until cancelled."""
        undo = self._bus.on_reconnect(self._came_back)
        try:
            async with asyncio.TaskGroup() as self._tasks:
                for name, peer in self._peers.items():
                    self._watch(name, peer)
                await self._publish_rows()
        finally:
            undo()

    def row(self) -> LinkRow:
        """What is known now."""
        found = ((name, peer.history.estimate()) for name, peer in sorted(self._peers.items()))
        return LinkRow(source=self._node, links={name: estimate for name, estimate in found if estimate})

    def _watch(self, name: str, peer: _Peer) -> None:
        if self._tasks is not None and peer.task is None:
            peer.task = self._tasks.create_task(self._follow(name, peer), name=f"link to {name}")

    def _came_back(self) -> None:
        """While we heard nothing, nobody's silence meant anything."""
        for peer in self._peers.values():
            peer.heard_s = time.monotonic()

    def _forget_silent(self) -> None:
        if self._bus.link.is_up:
            now_s = time.monotonic()
            for name in [n for n, peer in self._peers.items() if now_s - peer.heard_s > FORGET_AFTER_S]:
                self._forget(name)

    def _forget(self, name: str) -> None:
        peer = self._peers.pop(name, None)
        if peer is not None:
            if peer.task is not None:
                peer.task.cancel()
            self._changed.set()

    async def _follow(self, name: str, peer: _Peer) -> None:
        for n in range(FIRST_PINGS):
            if not await self._ping(name, peer, counts=n >= WARM_UP_PINGS):
                break
            await asyncio.sleep(FIRST_PING_PAUSE_S)
        next_ping_s = time.monotonic() + self._jittered(PING_PERIOD_S)
        while True:
            now_s = time.monotonic()
            if now_s >= next_ping_s:
                answered = await self._ping(name, peer)
                next_ping_s = time.monotonic() + self._jittered(PING_PERIOD_S if answered else PING_AGAIN_S)
            elif now_s >= peer.next_bulk_s and peer.history.is_answering:
                pause_s = await self._bulk(name, peer)
                peer.next_bulk_s = time.monotonic() + self._jittered(pause_s)
            wake_s = min(next_ping_s, peer.next_bulk_s) if peer.history.is_answering else next_ping_s
            await asyncio.sleep(max(0.0, wake_s - time.monotonic()))

    async def _ping(self, name: str, peer: _Peer, *, counts: bool = True) -> bool:
        try:
            rtt_s = await self._prober.ping(name)
        except TransportError:
            self._lost(peer)
            return False
        if counts:
            peer.history.ping_answered(rtt_s)
            self._note(peer)
        return True

    async def _bulk(self, name: str, peer: _Peer) -> float:
        """One round of growing trains; returns how long to wait before the next try."""
        history = peer.history
        if not self._take(peer):
            return BUSY_PAUSE_S
        try:
            while (size_bytes := history.next_bytes()) is not None:
                timeout_s = history.timeout_s(size_bytes)
                if not (self._take(peer) and await self._prober.ask_lease(name, timeout_s)):
                    return BUSY_PAUSE_S
                history.train_answered(await self._prober.bulk(name, size_bytes, timeout_s))
        except TransportError as error:
            logger.debug("bulk probe to %s: %s", name, error)
            self._lost(peer)
            return FAILED_PAUSE_S
        finally:
            self._lease.release(self._node)
            if not self._bus.closed.is_set():
                self._prober.give_back(name)
        history.round_ended()
        self._note(peer)
        return BULK_PERIOD_S

    def _take(self, peer: _Peer) -> bool:
        size_bytes = peer.history.next_bytes()
        duration_s = peer.history.timeout_s(size_bytes) if size_bytes else 0.0
        return self._lease.take(self._node, duration_s, time.monotonic())

    def _lost(self, peer: _Peer) -> None:
        # While our own server is away no link can be judged.
        if self._bus.link.is_up:
            peer.history.lost()
            self._note(peer)

    def _note(self, peer: _Peer) -> None:
        """Publish soon if a reader would want to know."""
        estimate = peer.history.estimate()
        if estimate is not None and has_moved(peer.published, estimate):
            self._changed.set()

    async def _publish_rows(self) -> None:
        while True:
            try:
                async with asyncio.timeout(ROW_PERIOD_S):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            self._forget_silent()
            row = self.row()
            for name, peer in self._peers.items():
                peer.published = row.links.get(name)
            try:
                await self._bus.put_record(subjects.link_profile(self._node), codec.encode_record(row.to_record()))
            except TransportError as error:
                logger.warning("the links of %s are not published: %s", self._node, error)
                self._changed.set()
                await asyncio.sleep(1.0)
            await asyncio.sleep(ROW_PAUSE_S)

    def _jittered(self, period_s: float) -> float:
        """Nodes that started together must not go on probing together."""
        return period_s * self._rng.uniform(1 - JITTER_RATIO, 1 + JITTER_RATIO)
