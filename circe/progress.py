"""Which items of a queue have ended, though they end in any order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Set


class Progress:
    """By their sequences in the queue, where none is left out."""

    def __init__(self, high: int = 0, unended: Iterable[int] = ()) -> None:
        """Everything up to `high` has ended, but for those that have not."""
        self.high = high
        """The highest one that has ended."""
        self._seen = high
        self._unended = set(unended)
        """All up to `_seen` that have not ended, also what is still to come again."""

    def has_ended(self, sequence: int) -> bool:
        return sequence <= self._seen and sequence not in self._unended

    def saw(self, sequence: int) -> None:
        """It is there, and so are those before it."""
        if sequence > self._seen:
            self._unended.update(range(self._seen + 1, sequence + 1))
            self._seen = sequence

    def end(self, sequences: Iterable[int]) -> None:
        for sequence in sequences:
            self._unended.discard(sequence)
            self.high = max(self.high, sequence)

    def open(self, but: Set[int]) -> frozenset[int]:
        """What has not ended while a later one has."""
        return frozenset(each for each in self._unended - but if each <= self.high)
