"""Branch and bound for graphs of a dozen tasks: the mapping with the smallest period.

The search starts from a mapping that is already good and stops after a number of steps, not of seconds, so that
the answer is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mapper.loads import Loads
from mapper.problem import Problem
from mapper.ranks import TIE_RATIO


class OutOfSteps(Exception):  # noqa: N818 - a signal inside a search
    pass


def best_period(problem: Problem, start: Sequence[int], steps: int) -> tuple[tuple[int, ...], bool]:
    """The best mapping found (`start` unless there is a better one), and whether it is proven to be the best."""
    search = _PeriodSearch(problem, start, steps)
    try:
        search.run(0, 0.0)
    except OutOfSteps:
        return search.best, False
    return search.best, True


class _PeriodSearch:
    """Depth first over tasks, the heaviest first; nodes by the period they lead to, then by their own work."""

    def __init__(self, problem: Problem, start: Sequence[int], steps: int) -> None:
        self._loads = Loads(problem)
        self._loads.reset(start)
        self.best = tuple(start)
        self._best_s = self._loads.period_s()
        self._loads = Loads(problem)
        least_s = self._loads.work_s.min(axis=1)
        self._tasks = sorted(range(len(problem.tasks)), key=lambda task: (-least_s[task], task))
        # Work that is still to come, at best: it has to fit under the period of all nodes together.
        remaining_s = np.cumsum(least_s[self._tasks][::-1])[::-1]
        self._remaining_s = [*remaining_s.tolist(), 0.0]
        self._node_count = int(problem.allowed.any(axis=0).sum())
        self._steps = steps

    def run(self, depth: int, period_s: float) -> None:
        if depth == len(self._tasks):
            self.best, self._best_s = tuple(self._loads.assignment), period_s
            return
        task = self._tasks[depth]
        self._steps -= 1
        if self._steps < 0:
            raise OutOfSteps
        loads = self._loads
        addition = loads.addition(task)
        worst_s = np.maximum(loads.affected_s(task, addition), period_s)
        snapshot = loads.snapshot()
        # Equal ones by their own work: the order in which nodes were declared must not matter.
        for node in np.lexsort((loads.node_s + loads.work_s[task], worst_s)).tolist():
            if not self._can_improve(float(worst_s[node])):
                break
            loads.move(task, node, addition)
            if self._can_improve((loads.node_s.sum() + self._remaining_s[depth + 1]) / self._node_count):
                self.run(depth + 1, float(worst_s[node]))
            loads.restore(task, snapshot)

    def _can_improve(self, bound_s: float) -> bool:
        return bound_s < self._best_s * (1 - TIE_RATIO)
