"""When one node is free: a row of intervals per core, and where the next task fits first.

Insertion into the earliest gap that is long enough, as in HEFT (Topcuoglu, Hariri, Wu, IEEE TPDS 13(3),
2002). Comparisons are exact, so two intervals of one core never overlap, not even by rounding.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence


class Timeline:
    """The promised intervals of one node, slot by slot; a slot is one core."""

    __slots__ = ("_finishes", "_starts")

    def __init__(self, slot_count: int, busy: Sequence[tuple[float, float]] = ()) -> None:
        self._starts: list[list[float]] = [[] for _ in range(slot_count)]
        self._finishes: list[list[float]] = [[] for _ in range(slot_count)]
        for slot, merged in enumerate(_spread(slot_count, busy)):
            self._starts[slot] = [start for start, _ in merged]
            self._finishes[slot] = [finish for _, finish in merged]

    def tail_s(self) -> float:
        """From here on at least one slot is free for ever."""
        if len(self._finishes) == 1:
            return self._finishes[0][-1] if self._finishes[0] else 0.0
        return min(finishes[-1] if finishes else 0.0 for finishes in self._finishes)

    def earliest(self, ready_s: float, duration_s: float) -> tuple[float, int]:
        """The earliest start at or after `ready_s`, and its slot.

        Of the slots that can start then, the one that was used last: the others keep their longer gaps.
        """
        if len(self._starts) == 1:
            return _first_gap(self._starts[0], self._finishes[0], ready_s, duration_s)[0], 0
        best_start, best_slot, best_idle_from = math.inf, -1, -1.0
        for slot, finishes in enumerate(self._finishes):
            start, idle_from = _first_gap(self._starts[slot], finishes, ready_s, duration_s)
            if start < best_start or (start == best_start and idle_from > best_idle_from):
                best_start, best_slot, best_idle_from = start, slot, idle_from
        return best_start, best_slot

    def take(self, ready_s: float, duration_s: float) -> float:
        """`earliest`, and `add` there: the start."""
        if len(self._starts) == 1:
            finishes = self._finishes[0]
            if not finishes or finishes[-1] <= ready_s:
                self._starts[0].append(ready_s)
                finishes.append(ready_s + duration_s)
                return ready_s
        start_s, slot = self.earliest(ready_s, duration_s)
        self.add(slot, start_s, start_s + duration_s)
        return start_s

    def copy(self) -> Timeline:
        """Another one with the same intervals, for a trial."""
        copied = Timeline(0)
        copied._starts = [starts.copy() for starts in self._starts]
        copied._finishes = [finishes.copy() for finishes in self._finishes]
        return copied

    def add(self, slot: int, start_s: float, finish_s: float) -> None:
        starts, finishes = self._starts[slot], self._finishes[slot]
        # An empty interval may share its start with the one that begins there; it comes first.
        is_empty = finish_s == start_s
        index = bisect_left(starts, start_s) if is_empty else bisect_right(starts, start_s)
        starts.insert(index, start_s)
        finishes.insert(index, finish_s)

    def remove(self, slot: int, start_s: float, finish_s: float) -> None:
        """Undo an `add`."""
        index = bisect_left(self._starts[slot], start_s)
        while self._finishes[slot][index] != finish_s:
            index += 1
        del self._starts[slot][index], self._finishes[slot][index]

    def intervals(self) -> list[tuple[float, float]]:
        """Everything promised, slot by slot."""
        slots = zip(self._starts, self._finishes, strict=True)
        return [pair for starts, finishes in slots for pair in zip(starts, finishes, strict=True)]


def _first_gap(starts: list[float], finishes: list[float], ready_s: float, duration_s: float) -> tuple[float, float]:
    """Start in the first gap that is long enough, and the end of what runs before it."""
    first = bisect_right(finishes, ready_s)  # what ends by then cannot be in the way
    begin = ready_s
    idle_from = finishes[first - 1] if first else 0.0
    for index in range(first, len(starts)):
        if begin + duration_s <= starts[index]:
            break
        begin = idle_from = finishes[index]
    return begin, idle_from


def _spread(slot_count: int, busy: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Deal promised intervals to slots; what exceeds the slots merges into the one that is free first."""
    slots: list[list[tuple[float, float]]] = [[] for _ in range(slot_count)]
    free_from = [(0.0, slot) for slot in range(slot_count)]
    for start_s, finish_s in sorted(busy):
        if finish_s == start_s:
            continue
        free_s, slot = heapq.heappop(free_from)
        if start_s < free_s:
            last_start_s, last_finish_s = slots[slot].pop()
            slots[slot].append((last_start_s, max(last_finish_s, finish_s)))
        else:
            slots[slot].append((start_s, finish_s))
        heapq.heappush(free_from, (slots[slot][-1][1], slot))
    return slots
