"""Which items of a gather belong together, and when a group takes no more. Pure.

A group closes by number, by its last item, or by time. What open groups hold is bounded, too: where the next item
would pass a bound the group, or the oldest one of all, closes before its time. A gather must not wait for room that
only it can make.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from circe.groups import MEMBER_BYTES
from runtime.graph import Gather


class Bounds(NamedTuple):
    """What open groups may hold: all of them together, and one of them in bytes."""

    items: int
    size_bytes: int
    group_bytes: int
    """What travels as one payload."""


class Formed(NamedTuple):
    """A group that has closed: the sequences of its members in the order they came."""

    key: str
    sequences: tuple[int, ...]


class _Open:
    __slots__ = ("sequences", "since_s", "size_bytes")

    def __init__(self, since_s: float) -> None:
        self.since_s = since_s
        self.sequences: list[int] = []
        self.size_bytes = 0


class Grouping:
    """The open groups of one gather, the oldest first."""

    def __init__(self, rule: Gather, bounds: Bounds, counts: Counter[str]) -> None:
        """`counts` is told of groups by what closed them."""
        self._rule = rule
        self._bounds = bounds
        self._open: dict[str, _Open] = {}
        self._items = 0
        self._size_bytes = 0
        self._counts = counts

    @property
    def due_s(self) -> float | None:
        """When the next group closes by time."""
        return next((group.since_s + self._rule.within_s for group in self._open.values()), None)

    def add(self, key: str, sequence: int, size_bytes: int, *, is_last: bool, now_s: float) -> list[Formed]:
        """One more item; the groups that close because of it."""
        size_bytes += MEMBER_BYTES
        formed = []
        group = self._open.get(key)
        if group is not None and group.size_bytes + size_bytes > self._bounds.group_bytes:
            formed.append(self._close(key, "bound"))
            group = None
        if group is None:
            group = self._open[key] = _Open(now_s)
        group.sequences.append(sequence)
        group.size_bytes += size_bytes
        self._items += 1
        self._size_bytes += size_bytes
        if is_last:
            formed.append(self._close(key, "item"))
        elif len(group.sequences) == self._rule.count:
            formed.append(self._close(key, "count"))
        while self._items > self._bounds.items or self._size_bytes > self._bounds.size_bytes:
            formed.append(self._close(next(iter(self._open)), "bound"))
        return formed

    def due(self, now_s: float) -> list[Formed]:
        """The groups whose time is over."""
        over = [key for key, group in self._open.items() if group.since_s + self._rule.within_s <= now_s]
        return [self._close(key, "time") for key in over]

    def _close(self, key: str, why: str) -> Formed:
        group = self._open.pop(key)
        self._items -= len(group.sequences)
        self._size_bytes -= group.size_bytes
        self._counts[f"groups.{why}"] += 1
        return Formed(key, tuple(group.sequences))
