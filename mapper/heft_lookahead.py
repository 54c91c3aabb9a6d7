"""HEFT with lookahead (Bittencourt, Sakellariou, Madeira, DAG scheduling using a lookahead variant of the
heterogeneous earliest finish time algorithm, PDP 2010).

In the order of HEFT, each task goes where the last of its children would finish earliest, the children placed one
after the other on their best nodes. They are appended after what is there: a guess needs no gaps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mapper.guard import guarded
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
    def run(self, order: Sequence[int]) -> Schedule:
        self._place_in_order = {task: index for index, task in enumerate(order)}
        return super().run(order)

    def _best(self, task: int, compute_s: FloatArray) -> int | None:
        finish_s = np.full(len(compute_s), math.inf)
        for node in np.isfinite(compute_s).nonzero()[0].tolist():
            ready_s = float(self._ready_s[task, node])
            if ready_s < math.inf:
                start_s, _ = self._timelines[node].earliest(ready_s, float(compute_s[node]))
                finish_s[node] = start_s + compute_s[node]
        last_s = np.zeros(len(compute_s))
        busy_s = np.tile(self._tail_s, (len(compute_s), 1))  # [node of the task, node of a child]
        np.fill_diagonal(busy_s, np.maximum(self._tail_s, finish_s))
        for child, size_bytes in sorted(
            zip(self._children[task].tolist(), self._sizes[task][:, 0].tolist(), strict=True),
            key=lambda pair: self._place_in_order[pair[0]],
        ):
            np.maximum(last_s, self._append_child(child, size_bytes, finish_s, busy_s), out=last_s)
        # A child that no choice of node lets run is the guard's business; here it must not hide the others.
        score = finish_s if not len(self._children[task]) or not np.isfinite(last_s).any() else last_s
        score = np.where(np.isfinite(finish_s), score, math.inf)
        best_s = float(score.min())
        if best_s == math.inf:
            return None
        finish_s = np.where(score <= best_s * (1 + TIE_RATIO), finish_s, math.inf)
        return self._least_loaded(np.flatnonzero(finish_s <= finish_s.min() * (1 + TIE_RATIO)).tolist())

    def _append_child(self, child: int, size_bytes: float, finish_s: FloatArray, busy_s: FloatArray) -> FloatArray:
        """Per node of the parent, when the child finishes on the node that is then its best, which it makes busy."""
        arrival_s = size_bytes * self._per_byte_s + self._problem.latency_s + finish_s[:, None]
        child_finish_s = np.maximum(np.maximum(arrival_s, self._ready_s[child]), busy_s) + self._compute_s[child]
        best = child_finish_s.argmin(axis=1)
        rows = np.arange(len(best))
        best_s: FloatArray = child_finish_s[rows, best]
        busy_s[rows, best] = best_s
        return best_s
