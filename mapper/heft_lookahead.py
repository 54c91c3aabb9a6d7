"""HEFT with lookahead (Bittencourt, Sakellariou, Madeira, DAG scheduling using a lookahead variant of the
heterogeneous earliest finish time algorithm, PDP 2010).

In the order of HEFT, each task goes where the last of its children would finish earliest, the children placed one
after the other on their best nodes. They are appended after what is there: a guess needs no gaps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mapper.guard import Guard, guarded
from mapper.placement import Placement
from mapper.problem import FloatArray, Problem
from mapper.ranks import TIE_RATIO, priority_order
from mapper.result import Asked, Plan
from mapper.schedule import Schedule


def schedule(problem: Problem) -> Schedule:
    order = priority_order(problem)
    return guarded(problem, lambda guard: _Lookahead(problem, guard).run(order))


def solve(problem: Problem, asked: Asked) -> Plan:
    del asked
    return Plan(schedule(problem), "each task where the last of its children would finish earliest")


class _Lookahead(Placement):
    """Knows of tasks whose turn it is not yet when those inputs that are known could be there."""

    def __init__(self, problem: Problem, guard: Guard) -> None:
        super().__init__(problem, guard)
        self._is_plain = False
        self._known_s = np.full(problem.compute_s.shape, problem.release_s)
        self._per_byte_s = np.where(problem.linked, problem.inverse_bandwidth_s_per_byte, 0.0)
        self._place_in_order: dict[int, int] = {}

    def run(self, order: Sequence[int]) -> Schedule:
        self._place_in_order = {task: index for index, task in enumerate(order)}
        return super().run(order)

    def _commit(self, task: int, node: int) -> None:
        super()._commit(task, node)
        for child, size_bytes in self._children(task):
            arrival_s = size_bytes * self._per_byte_s[node] + self._problem.latency_s[node] + self._finish_s[task]
            np.maximum(self._known_s[child], arrival_s, out=self._known_s[child])

    def _children(self, task: int) -> list[tuple[int, float]]:
        """With the bytes to them, in the order in which they will be placed."""
        edges = [self._problem.edges[index] for index in self._problem.outgoing[task]]
        edges.sort(key=lambda edge: self._place_in_order[edge.target])
        return [(edge.target, edge.size_bytes) for edge in edges]

    def _best(self, task: int, compute_s: FloatArray) -> int | None:
        finish_s = np.full(len(compute_s), math.inf)
        for node in np.isfinite(compute_s).nonzero()[0].tolist():
            ready_s = float(self._ready_s[node])
            if ready_s < math.inf:
                start_s, _ = self._timelines[node].earliest(ready_s, float(compute_s[node]))
                finish_s[node] = start_s + compute_s[node]
        last_s = np.zeros(len(compute_s))
        busy_s = np.tile(self._tail_s, (len(compute_s), 1))  # [node of the task, node of a child]
        np.fill_diagonal(busy_s, np.maximum(self._tail_s, finish_s))
        children = self._children(task)
        for child, size_bytes in children:
            np.maximum(last_s, self._append_child(child, size_bytes, finish_s, busy_s), out=last_s)
        # A child that no choice of node lets run is the guard's business; here it must not hide the others.
        score = finish_s if not children or not np.isfinite(last_s).any() else last_s
        score = np.where(np.isfinite(finish_s), score, math.inf)
        best_s = float(score.min())
        if best_s == math.inf:
            return None
        finish_s = np.where(score <= best_s * (1 + TIE_RATIO), finish_s, math.inf)
        return self._least_loaded(np.flatnonzero(finish_s <= finish_s.min() * (1 + TIE_RATIO)).tolist())

    def _append_child(self, child: int, size_bytes: float, finish_s: FloatArray, busy_s: FloatArray) -> FloatArray:
        """Per node of the parent, when the child finishes on the node that is then its best, which it makes busy."""
        arrival_s = size_bytes * self._per_byte_s + self._problem.latency_s + finish_s[:, None]
        child_finish_s = np.maximum(np.maximum(arrival_s, self._known_s[child]), busy_s) + self._compute_s[child]
        best = child_finish_s.argmin(axis=1)
        rows = np.arange(len(best))
        best_s: FloatArray = child_finish_s[rows, best]
        busy_s[rows, best] = best_s
        return best_s
