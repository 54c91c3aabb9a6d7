"""Which place in the input an ingress sequence has. Pure.

Inputs are stored many at a time; what the ingress refused, or what was not answered, is stored again later and
so behind its successors. Sequences follow the input nearly everywhere, so they are kept as runs.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import Protocol


class Places(Protocol):
    """Sequences of the ingress as positions, counted from 1."""

    def position(self, sequence: int) -> int | None:
        """The place of an input; None when it is not known (yet)."""
        ...

    def floor(self, first_sequence: int) -> int:
        """The lowest position that can still give results, when all inputs below `first_sequence` have ended."""
        ...

    @property
    def is_settled(self) -> bool:
        """Whether every position given out is known: what has none was not put there by us."""
        ...


class Counted:
    """Everybody's inputs: the first one after `base` has position 1."""

    is_settled = True

    def __init__(self, base: int) -> None:
        self._base = base

    def position(self, sequence: int) -> int | None:
        return sequence - self._base

    def floor(self, first_sequence: int) -> int:
        return first_sequence - self._base


@dataclass(slots=True)
class _Run:
    sequence: int
    position: int
    count: int


class Positions:
    """Our own inputs: say `sent` before they leave and `stored` when the ingress has one."""

    def __init__(self) -> None:
        self.sent_count = 0
        self._next = 1
        """The lowest position that is not known to be stored."""
        self._early: set[int] = set()
        """Positions stored above it."""
        self._runs: list[_Run] = []
        """By sequence."""

    @property
    def stored_count(self) -> int:
        return self._next - 1 + len(self._early)

    @property
    def is_settled(self) -> bool:
        return self.stored_count == self.sent_count

    def send(self, count: int) -> int:
        """Take the next `count` positions; returns the first."""
        first = self.sent_count + 1
        self.sent_count += count
        return first

    def stored(self, position: int, sequence: int) -> None:
        """The input at `position` is in the ingress as `sequence`."""
        self._early.add(position)
        while self._next in self._early:
            self._early.remove(self._next)
            self._next += 1
        index = bisect.bisect_right(self._runs, sequence, key=lambda run: run.sequence)
        if index:
            before = self._runs[index - 1]
            if (sequence - before.sequence, position - before.position) == (before.count, before.count):
                before.count += 1
                return
        self._runs.insert(index, _Run(sequence, position, 1))

    def position(self, sequence: int) -> int | None:
        index = bisect.bisect_right(self._runs, sequence, key=lambda run: run.sequence)
        if not index:
            return None
        run = self._runs[index - 1]
        offset = sequence - run.sequence
        return run.position + offset if offset < run.count else None

    def floor(self, first_sequence: int) -> int:
        lowest = self._next
        for run in self._runs:
            ended = max(0, first_sequence - run.sequence)
            if ended < run.count:
                lowest = min(lowest, run.position + ended)
        return lowest

    def forget(self, first_sequence: int) -> None:
        """Inputs below `first_sequence` are not asked for any more."""
        self._runs = [run for run in self._runs if run.sequence + run.count > first_sequence]
