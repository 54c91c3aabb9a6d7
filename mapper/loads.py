"""What every node and link has to do per root input under a mapping that is still being changed.

The throughput mapper asks thousands of times what a task would add where. So all loads stand in one vector, links
first (row by row) and then nodes, and the answer for all nodes at once is a few operations on rows of it. All seconds
are per root input, as in `mapper.period`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mapper.problem import BoolArray, FloatArray, Problem

UNPLACED = -1


class Addition(NamedTuple):
    """What a task adds on each node it could go to: column by node, row by load that it touches."""

    places: NDArray[np.intp]
    """Where the touched loads stand in the vector."""
    seconds: FloatArray
    is_possible: BoolArray


class Loads:
    """Loads of a partial mapping; tasks that are not placed yet add nothing."""

    def __init__(self, problem: Problem) -> None:
        task_count, count = problem.compute_s.shape
        self._count = count
        self.assignment = [UNPLACED] * task_count
        self._loads_s: FloatArray = np.zeros(count * count + count)
        # Only where allowed: a rate of 0 must not make of `inf` something that is not a number.
        seconds = np.where(problem.allowed, problem.compute_s, 0.0) * np.array(problem.rates)[:, None]
        self.work_s: FloatArray = np.where(problem.allowed, seconds / np.array(problem.cores), np.inf)
        replicas = np.array(problem.replicas)[:, None]
        self.worker_s: FloatArray = np.where(problem.allowed, seconds / replicas, np.inf)
        # Rows of these tables: [n] the links from node n, [count + n] the links to n, [2 count] the nodes themselves.
        links = np.arange(count * count).reshape(count, count)
        nodes = np.arange(count * count, count * count + count)
        self._places = np.vstack([links, links.T, nodes])
        per_byte_s = np.where(problem.linked, problem.inverse_bandwidth_s_per_byte, 0.0)
        self._per_byte_s = np.vstack([per_byte_s, per_byte_s.T, np.zeros(count)])
        self._runs = np.isfinite(self.work_s)
        self._linked = None
        if not problem.is_fully_linked:
            self._linked = np.vstack([problem.linked, problem.linked.T, np.ones(count, dtype=np.bool_)])
        self._flows: list[list[tuple[int, int, float]]] = [[] for _ in range(task_count)]
        for edge in problem.edges:
            flow_bytes = edge.size_bytes * problem.edge_rate(edge)
            self._flows[edge.target].append((edge.source, 0, flow_bytes))
            self._flows[edge.source].append((edge.target, count, flow_bytes))

    @property
    def node_s(self) -> FloatArray:
        return self._loads_s[self._count**2 :]

    def busiest_s(self) -> float:
        return float(self._loads_s.max())

    def period_s(self) -> float:
        """The period of a whole mapping."""
        workers_s = self.worker_s[range(len(self.assignment)), self.assignment]
        return max(self.busiest_s(), float(workers_s.max()))

    def addition(self, task: int) -> Addition:
        """What `task` adds, whether it is placed or not."""
        rows, sizes = [2 * self._count], [0.0]
        seen: dict[int, int] = {}
        for other, offset, flow_bytes in self._flows[task]:
            node = self.assignment[other]
            if node == UNPLACED:
                continue
            row = offset + node
            if row in seen:
                sizes[seen[row]] += flow_bytes
            else:
                seen[row] = len(rows)
                rows.append(row)
                sizes.append(flow_bytes)
        seconds = self._per_byte_s[rows]
        seconds *= np.array(sizes)[:, None]
        seconds[0] = self.work_s[task]
        possible = self._runs[task]
        if self._linked is not None:
            possible = possible & self._linked[rows].all(axis=0)
        return Addition(self._places[rows], seconds, possible)

    def touched_s(self, task: int, addition: Addition) -> FloatArray:
        """The loads that the task touches on each node, without what it adds there already."""
        touched_s: FloatArray = self._loads_s[addition.places]
        node = self.assignment[task]
        if node != UNPLACED:
            touched_s[:, node] -= addition.seconds[:, node]
        return touched_s

    def affected_s(self, task: int, addition: Addition) -> FloatArray:
        """Per node, the busiest of what `task` touches there: node, links, its own workers; inf if impossible."""
        worst_s: FloatArray = (self.touched_s(task, addition) + addition.seconds).max(axis=0)
        np.maximum(worst_s, self.worker_s[task], out=worst_s)
        worst_s[~addition.is_possible] = np.inf
        return worst_s

    def move(self, task: int, node: int, addition: Addition) -> None:
        """Put the task there, wherever it was."""
        before = self.assignment[task]
        if before != UNPLACED:
            self._loads_s[addition.places[:, before]] -= addition.seconds[:, before]
        if node != UNPLACED:
            self._loads_s[addition.places[:, node]] += addition.seconds[:, node]
        self.assignment[task] = node

    def reset(self, assignment: Sequence[int]) -> None:
        """Start again from a whole mapping; also rids the sums of the rounding that moves leave behind."""
        self.assignment = list(assignment)
        self._loads_s[:] = 0.0
        for task, node in enumerate(assignment):
            self._loads_s[self._count**2 + node] += self.work_s[task, node]
            for child, offset, flow_bytes in self._flows[task]:
                if offset:
                    target = assignment[child]
                    self._loads_s[node * self._count + target] += flow_bytes * self._per_byte_s[node, target]
