"""When the inputs of tasks could be on every node, for as many tasks at once as the order of placing allows. Pure.

Numpy's price is per call: where a task's inputs are known as soon as it is its turn, all tasks whose parents have been
placed by then are reckoned together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mapper.problem import FloatArray, IndexArray, Problem


class Arrivals:
    """Of one order of tasks, parents first."""

    def __init__(self, problem: Problem, order: Sequence[int]) -> None:
        count = len(order)
        place = np.empty(count, dtype=np.intp)
        place[list(order)] = np.arange(count)
        targets = place[problem.edge_targets]
        by_target = np.argsort(targets, kind="stable")
        self._problem = problem
        # Without a path the latency alone is inf; 0 bytes at inf seconds per byte would not be a number.
        self._per_byte_s = np.where(problem.linked, problem.inverse_bandwidth_s_per_byte, 0.0)
        self._sources = problem.edge_sources[by_target]
        self._sizes = problem.edge_bytes[by_target][:, None]
        parents = np.bincount(targets, minlength=count)
        self._ends = [0, *parents.cumsum().tolist()]
        self._has_parents = parents > 0
        self._begins = np.array(self._ends[:-1])
        latest = np.full(count, -1)
        np.maximum.at(latest, targets, place[problem.edge_sources])
        self._latest = latest.tolist()

    def from_place(self, first: int, nodes: IndexArray, finish_s: FloatArray) -> FloatArray:
        """[task, node] of the task at this place in the order, and of those after it whose parents are placed too.

        `nodes` and `finish_s` are by task.
        """
        last = first + 1
        while last < len(self._latest) and self._latest[last] < first:
            last += 1
        begin, end = self._ends[first], self._ends[last]
        ready_s = np.full((last - first, len(self._per_byte_s)), self._problem.release_s)
        if begin == end:
            return ready_s
        sources = self._sources[begin:end]
        there = nodes[sources]
        # In the order of additions of `Problem.transfer_s`, so that the evaluator gets the same bits.
        arrival_s = self._sizes[begin:end] * self._per_byte_s[there]
        arrival_s += self._problem.latency_s[there]
        arrival_s += finish_s[sources][:, None]
        if last - first == 1:  # as it is in a chain: the general way takes longer
            ready_s[0] = arrival_s.max(axis=0)
            return ready_s
        rows = self._has_parents[first:last].nonzero()[0]
        ready_s[rows] = np.maximum.reduceat(arrival_s, self._begins[first + rows] - begin, axis=0)
        return ready_s
