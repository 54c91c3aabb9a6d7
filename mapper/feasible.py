"""Which nodes are still possible for each task when some pairs of nodes have no path between them.

A choice for one task limits its neighbours, theirs in turn, and so on: arc consistency (Mackworth,
Consistency in networks of relations, Artificial Intelligence 8, 1977). It decides most networks;
`is_solvable` searches the rest. Sets of nodes are bits of an int, so that a step is a few machine words
whatever the number of nodes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SEARCH_STEPS = 20_000
"""Choices tried before the search gives up: the question is NP-complete, a mapper must answer anyway."""


class Domains:
    """The possible nodes of every task, kept consistent along every edge."""

    def __init__(self, allowed: NDArray[np.bool_], linked: NDArray[np.bool_], edges: Sequence[tuple[int, int]]) -> None:
        self._node_count = allowed.shape[1]
        self.possible = _masks(allowed)
        self._edges = tuple(edges)
        self._neighbours: list[list[tuple[int, bool]]] = [[] for _ in self.possible]
        for source, target in edges:
            self._neighbours[source].append((target, True))
            self._neighbours[target].append((source, False))
        self._links = {True: _masks(linked), False: _masks(linked.T)}
        self._reached: dict[tuple[int, bool], int] = {}

    def narrow(self, changed: Sequence[int] | None = None) -> tuple[int, int] | None:
        """Propagate from the changed tasks (all of them by default).

        Returns the task that has no node left, and the neighbour that took its last one.
        """
        queue = list(range(len(self.possible)) if changed is None else changed)
        for task in queue:  # grows while it is walked: a task is looked at again whenever its set has shrunk
            for neighbour, is_forward in self._neighbours[task]:
                before = self.possible[neighbour]
                after = before & self._reach(self.possible[task], is_forward)
                if after == before:
                    continue
                self.possible[neighbour] = after
                if not after:
                    return neighbour, task
                queue.append(neighbour)
        return None

    def fix(self, task: int, node: int, *, complete: bool = False) -> bool:
        """Put the task on the node unless that leaves another task without one (then nothing changes).

        With `complete`, only if a whole mapping exists with that choice; without it, only as far as
        propagation sees, which is faster and nearly always as good.
        """
        before = list(self.possible)
        self.possible[task] = 1 << node
        if self.narrow([task]) is None and (not complete or self.is_solvable()):
            return True
        self.possible = before
        return False

    def is_solvable(self) -> bool:
        """Whether a whole mapping exists within the possible nodes."""
        saved = self.possible
        levels: list[tuple[list[int], int, int]] = []  # (sets before, task chosen, nodes of it still to try)
        self.possible = list(saved)
        is_consistent = self.narrow() is None
        for _ in range(SEARCH_STEPS):
            if is_consistent:
                undecided = self._undecided()
                if undecided is None:
                    self.possible = saved
                    return True
                levels.append((self.possible, undecided, self.possible[undecided]))
            while levels and not levels[-1][2]:
                levels.pop()
            if not levels:
                break
            before, task, untried = levels[-1]
            choice = untried & -untried
            levels[-1] = (before, task, untried ^ choice)
            self.possible = list(before)
            self.possible[task] = choice
            is_consistent = self.narrow([task]) is None
        self.possible = saved
        return False

    def as_array(self) -> NDArray[np.bool_]:
        width = (self._node_count + 7) // 8
        packed = np.frombuffer(b"".join(mask.to_bytes(width, "little") for mask in self.possible), dtype=np.uint8)
        bits = np.unpackbits(packed.reshape(-1, width), axis=1, count=self._node_count, bitorder="little")
        return bits.astype(np.bool_)

    def _reach(self, nodes: int, is_forward: bool) -> int:
        key = (nodes, is_forward)
        reached = self._reached.get(key)
        if reached is None:
            links = self._links[is_forward]
            reached = 0
            left = nodes
            while left:
                lowest = left & -left
                reached |= links[lowest.bit_length() - 1]
                left ^= lowest
            self._reached[key] = reached
        return reached

    def _undecided(self) -> int | None:
        """The task to branch on: the fewest nodes first, but only where neighbours share no node.

        A connected group of undecided tasks with a node in common needs no search: they can all go there.
        """
        shared = self._shared_by_group()
        best, best_count = None, 0
        for task, mask in enumerate(self.possible):
            count = mask.bit_count()
            if count > 1 and not shared[task] and (best is None or count < best_count):
                best, best_count = task, count
        return best

    def _shared_by_group(self) -> dict[int, int]:
        """Per undecided task, the nodes possible for all of its group.

        Groups end at decided tasks: consistency has already fitted their neighbours to them.
        """
        shared: dict[int, int] = {}
        for first, mask in enumerate(self.possible):
            if first in shared or mask.bit_count() == 1:
                continue
            group, common = [first], mask
            shared[first] = 0
            for task in group:  # grows while it is walked
                common &= self.possible[task]
                for neighbour, _ in self._neighbours[task]:
                    if neighbour not in shared and self.possible[neighbour].bit_count() > 1:
                        shared[neighbour] = 0
                        group.append(neighbour)
            for task in group:
                shared[task] = common
        return shared


def _masks(rows: NDArray[np.bool_]) -> list[int]:
    packed = np.packbits(rows, axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]
