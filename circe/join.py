"""Joins: parts of several parents that meet by item id.

Keyed by (head, root), one attempt at a time: a newer attempt discards the older one's parts, an older part is
dropped without a report. `all` forgets when it fires; `any` and `k` when every parent has answered. A join
never reports a part alone, except a late part of an `any` or `k` that fired in that attempt. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import NamedTuple

from runtime.graph import JoinPolicy
from runtime.item import Part
from runtime.records import Held

Key = tuple[str, int]


class Fired(NamedTuple):
    """The join is complete: run user code on these parts (in the order of the parents)."""

    parts: dict[str, Part]
    xor: int
    """Of every part it consumes, absences too."""


class Absent(NamedTuple):
    """The join can never fire: the absence goes on, for these parts."""

    xor: int
    reason: str


class Late(NamedTuple):
    """A part that came after its `any` or `k` had fired, or a second one of the same parent."""

    xor: int


class _Entry:
    __slots__ = ("fired", "parts")

    def __init__(self) -> None:
        self.parts: dict[str, Part] = {}
        self.fired = False


class _Root:
    __slots__ = ("attempt", "beats", "items")

    def __init__(self, attempt: int) -> None:
        self.attempt = attempt
        self.items: dict[str, _Entry] = {}
        self.beats = 0


class Join:
    """The store of one join task."""

    def __init__(self, parents: tuple[str, ...], policy: JoinPolicy) -> None:
        self._parents = parents
        self._needed = {"all": len(parents), "any": 1}.get(str(policy)) or int(policy)
        self._roots: dict[Key, _Root] = {}

    def add(self, head: str, source: str, part: Part) -> Fired | Absent | Late | None:
        """Take one part; None means that it waits, or that its attempt is over."""
        key = (head, part.root)
        root = self._roots.get(key)
        if root is None or root.attempt < part.attempt:
            root = self._roots[key] = _Root(part.attempt)
        elif root.attempt > part.attempt:
            return None
        entry = root.items.get(part.item_id)
        if entry is None:
            entry = root.items[part.item_id] = _Entry()
        if source in entry.parts:
            return Late(part.mid)
        entry.parts[source] = part
        if len(entry.parts) < self._needed:  # whatever they are
            return None
        outcome = self._decide(entry, part)
        if len(entry.parts) == len(self._parents):
            del root.items[part.item_id]
            if not root.items:
                del self._roots[key]
        return outcome

    def _decide(self, entry: _Entry, part: Part) -> Fired | Absent | Late | None:
        if entry.fired:
            return Late(part.mid)
        parts = entry.parts
        present = {name: parts[name] for name in self._parents if name in parts and parts[name].payload is not None}
        if len(present) >= self._needed:
            entry.fired = True
            return Fired(present, self._xor(entry))
        if len(entry.parts) < len(self._parents):
            # It may still fire; where it cannot, one report for all waits until every parent has answered.
            return None
        reasons = [p.reason for p in entry.parts.values() if p.payload is None]
        return Absent(self._xor(entry), reasons[0])

    @staticmethod
    def _xor(entry: _Entry) -> int:
        xor = 0
        for part in entry.parts.values():
            xor ^= part.mid
        return xor

    def forget(self, head: str, root: int, attempt: int) -> None:
        """The head says that attempts up to this one are over."""
        found = self._roots.get((head, root))
        if found is not None and found.attempt <= attempt:
            del self._roots[head, root]

    def forget_heads(self, heads: Set[str]) -> None:
        """Drop what belongs to heads that are no more."""
        for key in [key for key in self._roots if key[0] in heads]:
            del self._roots[key]

    def waiting(self) -> Iterator[Held]:
        """What has been here at two calls (one a beat): younger ones need no question."""
        for (head, number), root in self._roots.items():
            root.beats += 1
            if root.beats > 1:
                yield head, number, root.attempt

    def __len__(self) -> int:
        """How many items wait or leave a trace."""
        return sum(len(root.items) for root in self._roots.values())
