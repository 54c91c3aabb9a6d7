"""Branch and bound for graphs of about ten tasks: the schedule with the smallest makespan.

Some optimal schedule is what comes out when tasks are placed in the order of their starts, each as early as it
can, so only such orders are tried. What remains after a task is bounded below by the optimistic cost table of PEFT
(Arabnejad, Barbosa, IEEE TPDS 25(3), 2014), which ignores that nodes are shared; and all work has to fit into the
time that cores have left. Steps are counted as in `mapper.exact`.
"""

from __future__ import annotations

import math

from mapper.exact import OutOfSteps
from mapper.peft import optimistic_costs_s
from mapper.problem import Problem
from mapper.ranks import TIE_RATIO
from mapper.schedule import Schedule, timelines


def best_makespan(problem: Problem, start: Schedule, steps: int) -> tuple[Schedule, bool]:
    """The best schedule found (`start` unless there is a better one), and whether it is proven to be the best."""
    search = _MakespanSearch(problem, start, steps)
    try:
        search.run(problem.release_s)
    except OutOfSteps:
        return search.best, False
    return search.best, True


class _MakespanSearch:
    def __init__(self, problem: Problem, start: Schedule, steps: int) -> None:
        self.best = start
        self._problem, self._steps = problem, steps
        self._compute_s: list[list[float]] = problem.compute_s.tolist()
        self._after_s: list[list[float]] = optimistic_costs_s(problem).tolist()
        self._nodes = [list(row.nonzero()[0].tolist()) for row in problem.allowed]
        self._least_s = [min(row) for row in self._compute_s]
        self._slot_count = sum(map(problem.slots, range(len(problem.nodes))))
        self._timelines = timelines(problem)
        self._missing = [len(edges) for edges in problem.incoming]
        count = len(problem.tasks)
        self._node, self._start_s, self._finish_s = [0] * count, [0.0] * count, [0.0] * count
        self._order: list[int] = []

    def run(self, latest_start_s: float) -> None:
        """Place one more task, not before the last one that was placed, in every way that could still win."""
        count = len(self._missing)
        if len(self._order) == count:
            if self._can_improve(max(self._finish_s)):
                self.best = Schedule(
                    assignment=tuple(self._node),
                    start_s=tuple(self._start_s),
                    finish_s=tuple(self._finish_s),
                    order=tuple(self._order),
                )
            return
        self._steps -= 1
        if self._steps < 0:
            raise OutOfSteps
        options = [option for task in range(count) if not self._missing[task] for option in self._options(task)]
        for bound_s, start_s, task, node, slot in sorted(options):
            if not self._can_improve(bound_s):
                return
            if start_s >= latest_start_s and self._fits(start_s):
                self._place(task, node, slot, start_s)
                self.run(start_s)
                self._undo(task, node, slot)

    def _options(self, task: int) -> list[tuple[float, float, int, int, int]]:
        """(what the makespan is at least, start, task, node, slot)"""
        found = []
        for node in self._nodes[task]:
            ready_s = self._ready_s(task, node)
            if ready_s == math.inf:
                continue
            seconds = self._compute_s[task][node]
            start_s, slot = self._timelines[node].earliest(ready_s, seconds)
            found.append((start_s + seconds + self._after_s[task][node], start_s, task, node, slot))
        return found

    def _ready_s(self, task: int, node: int) -> float:
        ready_s = self._problem.release_s
        for index in self._problem.incoming[task]:
            edge = self._problem.edges[index]
            transfer_s = self._problem.transfer_s(edge.size_bytes, self._node[edge.source], node)
            ready_s = max(ready_s, transfer_s + self._finish_s[edge.source])
        return ready_s

    def _fits(self, start_s: float) -> bool:
        """Whether the work that is left fits between here and the best makespan, cores never idle."""
        placed = set(self._order)
        left_s = sum(seconds for task, seconds in enumerate(self._least_s) if task not in placed)
        under_way_s = sum(max(0.0, self._finish_s[task] - start_s) for task in self._order)
        return self._can_improve(start_s + (left_s + under_way_s) / self._slot_count)

    def _can_improve(self, bound_s: float) -> bool:
        return bound_s < self.best.makespan_s * (1 - TIE_RATIO)

    def _place(self, task: int, node: int, slot: int, start_s: float) -> None:
        self._node[task], self._start_s[task] = node, start_s
        self._finish_s[task] = start_s + self._compute_s[task][node]
        self._timelines[node].add(slot, start_s, self._finish_s[task])
        self._order.append(task)
        self._missing[task] = -1
        for index in self._problem.outgoing[task]:
            self._missing[self._problem.edges[index].target] -= 1

    def _undo(self, task: int, node: int, slot: int) -> None:
        for index in self._problem.outgoing[task]:
            self._missing[self._problem.edges[index].target] += 1
        self._missing[task] = 0
        self._order.pop()
        self._timelines[node].remove(slot, self._start_s[task], self._finish_s[task])
        self._finish_s[task] = 0.0
