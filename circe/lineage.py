"""The head: which inputs are in flight, and when one has ended (Storm's tuple trees, Toshniwal 2014).

Every part under way carries a random id; workers report the XOR of the ids they consumed and sent on. When
a root's XOR is zero, all it led to is done and it may be acknowledged. Sending again is the head's alone,
always the whole root, as a new attempt. Pure: ids come from `draw`, time from the beats of the workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from circe.seen import Seen, forget_strangers
from runtime.item import Part, Report, attempt_above
from runtime.records import Beat
from runtime.reference import Payload

STALE_ROUNDS = 2
"""Beats in a row of every live worker that a root may go unlisted before it is sent again; doubled each time that
happens. In a row: on its way from one worker to the next a root is in the latest beat of neither, and one that waits
for long on slow machines makes many such ways."""
MAX_DOUBLINGS = 6


@dataclass(frozen=True, slots=True)
class Entry:
    """What a root sends to one entry task: a payload, or an absence with its reason."""

    task: str
    payload: Payload | None
    reason: str = ""


class _Root:
    __slots__ = ("alarms", "attempt", "entries", "headers", "item_id", "round", "xor")

    def __init__(
        self, item_id: str, entries: tuple[Entry, ...], headers: Mapping[str, str] | None, attempt: int
    ) -> None:
        self.item_id = item_id
        self.entries = entries
        self.headers = headers
        self.attempt = attempt
        self.alarms = 0
        """How often it was stale. Only that doubles its patience: what is sent again because a worker has gone is
        often lost, to a sender that has yet to hear of it, and must not wait longer for that."""
        self.xor = 0
        self.round = 0
        """The last one in which it is known to have been somewhere."""


class Outgoing(NamedTuple):
    """A part for an entry task."""

    task: str
    part: Part


class _Peer:
    """What the head knows of one live worker."""

    __slots__ = ("connections", "holds", "rounds")

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        self.holds: frozenset[tuple[int, int]] = frozenset()
        self.connections: int | None = None


class Lineage:
    """The roots of one head."""

    def __init__(self, head: str, draw: Callable[[], int]) -> None:
        self.head = head
        self._draw = draw
        self._roots: dict[int, _Root] = {}
        self._seen: dict[str, Seen] = {}
        self._peers: dict[str, _Peer] = {}
        self._workers: dict[str, tuple[str, ...]] = {}
        self._round = 0
        self._highest_attempt = 0
        """Of the roots that are in flight no more: one that comes again begins above, since parts may be under way."""
        self.resent = 0

    def __len__(self) -> int:
        return len(self._roots)

    def __contains__(self, root: int) -> bool:
        return root in self._roots

    def root(self, number: int) -> tuple[str, tuple[Entry, ...], Mapping[str, str] | None, int] | None:
        """Id, entries, headers and attempt of a root that is in flight."""
        found = self._roots.get(number)
        return None if found is None else (found.item_id, found.entries, found.headers, found.attempt)

    def start(
        self,
        root: int,
        item_id: str,
        entries: tuple[Entry, ...],
        headers: Mapping[str, str] | None = None,
        *,
        again: bool = False,
    ) -> list[Outgoing]:
        """Begin a root, `again` when it may have run before; the caller sends what comes back."""
        if root in self._roots:
            raise ValueError(f"root {root} is already in flight")
        record = self._roots[root] = _Root(item_id, entries, headers, self._highest_attempt)
        return self._attempt(root, record, again=again)

    def _attempt(self, number: int, root: _Root, *, again: bool) -> list[Outgoing]:
        root.attempt = attempt_above(root.attempt, again=again)
        root.xor = 0
        root.round = self._round
        outgoing = []
        for entry in root.entries:
            mid = self._draw() or 1
            root.xor ^= mid
            part = Part(number, root.attempt, mid, root.item_id, entry.payload, entry.reason, root.headers)
            outgoing.append(Outgoing(entry.task, part))
        return outgoing

    def report(self, report: Report) -> list[int]:
        """Take a report; the roots that it ended, which the caller acknowledges."""
        if not self._seen.setdefault(report.sender, Seen()).is_new(report.number):
            return []
        forget_strangers(self._seen, self._peers)
        ended = []
        for number, attempt, xor in report.entries:
            root = self._roots.get(number)
            if root is None or root.attempt != attempt:
                continue
            root.xor ^= xor
            if root.xor == 0:
                del self._roots[number]
                self._highest_attempt = max(self._highest_attempt, attempt)
                ended.append(number)
        return ended

    def abandon(self) -> list[int]:
        """Another head has the queue now; the roots that were in flight."""
        abandoned, self._roots = self._roots, {}
        attempts = [root.attempt for root in abandoned.values()]
        self._highest_attempt = max([self._highest_attempt, *attempts])
        return list(abandoned)

    def follow(self, workers: Mapping[str, tuple[str, ...]]) -> list[Outgoing]:
        """The live workers of the segment changed: what one held that has gone is lost, and all is sent again.

        So it is when the partitions of a join move. A task that had nobody is no reason: what was meant for
        it waits at its senders.
        """
        moved = any(before and workers.get(task) != before for task, before in self._workers.items())
        self._workers = dict(workers)
        live = {name for names in workers.values() for name in names}
        self._peers = {name: self._peers.get(name) or _Peer(self._round) for name in sorted(live)}
        if not moved:
            return []
        # Reports of those who have gone are for attempts that are over from here on: no need to tell copies.
        self._seen = {name: seen for name, seen in self._seen.items() if name in live}
        return self.resend_all()

    def resend_all(self) -> list[Outgoing]:
        """Every root in flight, as a new attempt."""
        return self._resend(list(self._roots))

    def _resend(self, numbers: Iterable[int]) -> list[Outgoing]:
        outgoing = []
        for number in numbers:
            outgoing += self._attempt(number, self._roots[number], again=True)
            self.resent += 1
        return outgoing

    def beat(self, beat: Beat, own: frozenset[int]) -> tuple[list[Outgoing], list[tuple[int, int, bool]]]:
        """A worker's beat: what has to be sent again, and which of the roots it lists are over.

        `own` are roots that still wait in the head's own outbox.
        """
        over = self._over(beat)
        peer = self._peers.get(beat.incarnation)
        if peer is None or beat.is_spoken_for:
            # Only a worker's own word tells what it holds; until then nothing of its segment is stale.
            return [], over
        peer.holds = frozenset((root, attempt) for head, root, attempt in beat.holds if head == self.head)
        peer.rounds += 1
        reconnected = peer.connections not in (None, beat.connections)
        peer.connections = beat.connections
        if reconnected:
            return self.resend_all(), over
        return self._resend(self._stale(own)), over

    def _over(self, beat: Beat) -> list[tuple[int, int, bool]]:
        over = []
        for head, number, attempt in (*beat.holds, *beat.waits):
            if head == self.head:
                root = self._roots.get(number)
                if root is None or root.attempt > attempt:
                    over.append((number, attempt, root is None))
        return over

    def _stale(self, own: frozenset[int]) -> list[int]:
        """Roots that every live worker has had time to list and none has listed."""
        completed = min(peer.rounds for peer in self._peers.values())
        if completed <= self._round:
            return []
        for peer in self._peers.values():
            peer.rounds = completed
        self._round = completed
        listed = frozenset().union(*(peer.holds for peer in self._peers.values()))
        stale = []
        for number, root in self._roots.items():
            if number in own or (number, root.attempt) in listed:
                root.round = completed
                continue
            # The round under way when it was last seen may hold older beats: it does not count.
            patience = 1 + STALE_ROUNDS * 2 ** min(root.alarms, MAX_DOUBLINGS)
            if completed >= root.round + patience:
                root.alarms += 1
                stale.append(number)
        return stale
