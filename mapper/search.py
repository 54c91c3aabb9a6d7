"""Local search for a small period: move one task at a time to where it weighs least.

Effort is counted in moves and not in seconds, so the answer depends on nothing but the problem, unless a time limit is
asked for. Tasks are gone through by what they cost, not as they were declared: the same problem under other names
gives the same mapping.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mapper.loads import Addition, Loads
from mapper.problem import FloatArray, Problem
from mapper.ranks import TIE_RATIO

DOUBLINGS = (3, 5)
"""Local search makes the sum of loads to a power small: to the 8th the crowd of high ones, to the 32nd the highest."""
LARGEST_RATIO = 1e4
"""Loads beyond so many periods count as that many: powers of more would not be numbers."""


def canonical_order(problem: Problem) -> list[int]:
    """Tasks by falling mean work on the nodes that can run them; equal ones as declared."""
    work_s = Loads(problem).work_s
    mean_s = np.where(problem.allowed, work_s, 0.0).sum(axis=1) / problem.allowed.sum(axis=1)
    return [int(task) for task in np.argsort(-mean_s, kind="stable")]


class LocalSearch:
    """Moves of one task, within a number of them; remembers the best mapping seen."""

    def __init__(self, problem: Problem, moves: int, is_late: Callable[[], bool] | None = None) -> None:
        self._loads = Loads(problem)
        has_choice = problem.allowed.sum(axis=1) > 1
        self._movable = [task for task in canonical_order(problem) if has_choice[task]]
        self.left = moves
        self._is_late = is_late
        self.best: tuple[int, ...] = ()
        self._best_s = float("inf")
        self.is_truncated = False
        """The time limit ended the search."""

    def is_spent(self, sweeps: int = 0) -> bool:
        """Whether fewer moves are left than so many sweeps need, or no time is."""
        if self._is_late is not None and self._is_late():
            self.is_truncated = True
        return self.is_truncated or self.left <= sweeps * len(self._movable)

    def spend(self, moves: int) -> None:
        """Count work done elsewhere."""
        self.left -= moves

    def descend_from(self, start: Sequence[int]) -> None:
        self._loads.reset(start)
        self._remember()
        for doublings in DOUBLINGS:
            while not self.is_spent() and self._sweep(doublings):
                self._loads.reset(self._loads.assignment)
            self._remember()

    def _remember(self) -> None:
        period_s = self._loads.period_s()
        if period_s < self._best_s * (1 - TIE_RATIO) or not self.best:
            self.best, self._best_s = tuple(self._loads.assignment), period_s

    def _sweep(self, doublings: int) -> bool:
        """Try to move every task once; whether one moved and another sweep is worth it."""
        scale_s = self._loads.period_s()
        has_moved = False
        if scale_s == 0.0:
            return False
        for task in self._movable:
            if self.left <= 0:
                return False
            self.left -= 1
            before = self._loads.assignment[task]
            addition = self._loads.addition(task)
            growth = _growth(self._loads, task, addition, scale_s, doublings)
            node = int(growth.argmin())
            if growth[node] < growth[before] * (1 - TIE_RATIO):
                self._loads.move(task, node, addition)
                has_moved = True
        return has_moved


def _growth(loads: Loads, task: int, addition: Addition, scale_s: float, doublings: int) -> FloatArray:
    """Per node, what the task there adds to the sum of (load / scale) ** (2 ** doublings); inf if impossible."""
    without_s = loads.touched_s(task, addition)
    rows = len(without_s)
    raised = np.empty((2 * rows + 1, without_s.shape[1]))
    raised[:rows] = without_s
    np.add(without_s, addition.seconds, out=raised[rows:-1])
    raised[-1] = loads.worker_s[task]
    raised /= scale_s
    np.minimum(raised, LARGEST_RATIO, out=raised)
    for _ in range(doublings):
        raised *= raised
    growth: FloatArray = np.add.reduce(raised[rows:], axis=0) - np.add.reduce(raised[:rows], axis=0)
    return np.where(addition.is_possible, growth, np.inf)
