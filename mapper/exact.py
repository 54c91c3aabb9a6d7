"""Branch and bound over whole mappings, for graphs of a dozen tasks: the smallest period, the smallest makespan.

Both searches start from a mapping that is already good and stop after a number of steps, not of seconds, so that the
answer is the same on every machine. They return None when the steps did not suffice to be sure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mapper.loads import Loads
from mapper.problem import Problem
from mapper.ranks import TIE_RATIO


class _OutOfSteps(Exception):  # noqa: N818 - a signal inside this module
    pass


def best_period(problem: Problem, start: Sequence[int], steps: int) -> tuple[int, ...] | None:
    """The mapping with the smallest period; `start` unless a better one exists."""
    search = _PeriodSearch(problem, start, steps)
    try:
        search.run(0, 0.0)
    except _OutOfSteps:
        return None
    return search.best


class _PeriodSearch:
    """Depth first over tasks, the heaviest first; nodes by the period they lead to."""

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
            raise _OutOfSteps
        loads = self._loads
        addition = loads.addition(task)
        worst_s = np.maximum(loads.affected_s(task, addition), period_s)
        node_s, link_s = loads.node_s.copy(), loads.link_s.copy()
        for node in np.argsort(worst_s, kind="stable").tolist():
            if not self._can_improve(float(worst_s[node])):
                break
            loads.put(task, node, addition)
            if self._can_improve((loads.node_s.sum() + self._remaining_s[depth + 1]) / self._node_count):
                self.run(depth + 1, float(worst_s[node]))
            # Copies instead of subtraction: the sums of the next branch must not inherit rounding.
            loads.assignment[task] = -1
            loads.node_s, loads.link_s = node_s.copy(), link_s.copy()

    def _can_improve(self, bound_s: float) -> bool:
        return bound_s < self._best_s * (1 - TIE_RATIO)
