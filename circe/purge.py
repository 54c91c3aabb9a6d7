"""When results may leave the egress: acknowledged by their reader, their inputs ended, and no zombie left. Pure.

A result is also the memory that refuses its double. So it goes only when every input that was taken by the time
it was acknowledged has ended, and a process that stalled since then must have found out and ended itself.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

KEEP_S = 60.0
"""Longer than a connection can be dead without being noticed, and than a stalled process may go on."""


class _Mark(NamedTuple):
    seen_s: float
    results_floor: int
    last_taken: int


class Purge:
    """Remembers what was acknowledged when, and says up to where the egress may be purged."""

    def __init__(self) -> None:
        self._marks: deque[_Mark] = deque()
        self._purged = 0

    def observe(self, now_s: float, results_floor: int, last_taken: int, oldest_open: int) -> int | None:
        """The egress sequence to purge up to (with it), or None.

        `results_floor`: every result up to here was acknowledged by its reader. `last_taken`: highest input
        sequence taken so far. `oldest_open`: lowest input sequence that has not ended.
        """
        if results_floor > (self._marks[-1].results_floor if self._marks else self._purged):
            self._marks.append(_Mark(now_s, results_floor, last_taken))
        up_to = None
        while self._marks and self._is_over(self._marks[0], now_s, oldest_open):
            up_to = self._purged = self._marks.popleft().results_floor
        return up_to

    @staticmethod
    def _is_over(mark: _Mark, now_s: float, oldest_open: int) -> bool:
        return now_s - mark.seen_s > KEEP_S and mark.last_taken < oldest_open
