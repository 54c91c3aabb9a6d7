"""Which inputs with objects may be in flight: so many bytes of them, and always one. Pure.

All that an input leads to lies in the store at the same time, and the writers of a full store wait. So the inputs that
have been let in must be able to end within it; the others wait here, and small ones go past them.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

SHARE = 1 / 8
"""Of the store, for the inputs in flight: the rest is for what tasks make of them, and for what has just ended."""


class Admission(Generic[T]):
    """Of one head."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._waiting: deque[tuple[T, int]] = deque()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def bound(self, max_bytes: int) -> None:
        """Another bound from the next decision on."""
        self._max_bytes = max_bytes

    def admit(self, item: T, size_bytes: int) -> bool:
        """Whether it may start now; if not, `ended` gives it later. They start in their order."""
        if self._waiting or not self._fits(size_bytes):
            self._waiting.append((item, size_bytes))
            return False
        self._bytes += size_bytes
        return True

    def ended(self, size_bytes: int) -> list[T]:
        """One of this size has ended; who may start now."""
        self._bytes -= size_bytes
        started = []
        while self._waiting and self._fits(self._waiting[0][1]):
            item, waited_bytes = self._waiting.popleft()
            self._bytes += waited_bytes
            started.append(item)
        return started

    def clear(self) -> list[T]:
        """Nobody waits any more; who did."""
        waiting = [item for item, _ in self._waiting]
        self._waiting.clear()
        return waiting

    def _fits(self, size_bytes: int) -> bool:
        return self._bytes == 0 or self._bytes + size_bytes <= self._max_bytes
