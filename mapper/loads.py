"""What every node and link has to do per root input under a mapping that is still being changed.

The throughput mapper asks it thousands of times what a task would add where, so the answer is one array per question
and the state is updated, not recomputed. All seconds are per root input, as in `mapper.period`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mapper.problem import BoolArray, FloatArray, Problem

UNPLACED = -1


@dataclass(frozen=True, slots=True)
class Addition:
    """What a task would add, for every node it could go to (the last axis of each array)."""

    node_s: FloatArray
    in_rows: list[int]
    """The nodes its placed parents are on; `in_s[i]` goes to the link from the i-th of them."""
    in_s: FloatArray
    out_rows: list[int]
    out_s: FloatArray
    is_possible: BoolArray


class Loads:
    """Node and link loads of a partial mapping, with the tasks that are not placed yet left out."""

    def __init__(self, problem: Problem) -> None:
        task_count, node_count = problem.compute_s.shape
        self.assignment = [UNPLACED] * task_count
        self.node_s: FloatArray = np.zeros(node_count)
        self.link_s: FloatArray = np.zeros((node_count, node_count))
        # Only where allowed: a rate of 0 must not make of `inf` something that is not a number.
        seconds = np.where(problem.allowed, problem.compute_s, 0.0) * np.array(problem.rates)[:, None]
        self.work_s: FloatArray = np.where(problem.allowed, seconds / np.array(problem.cores), np.inf)
        replicas = np.array(problem.replicas)[:, None]
        self.worker_s: FloatArray = np.where(problem.allowed, seconds / replicas, np.inf)
        self._linked = problem.linked
        self._per_byte_s = np.where(problem.linked, problem.inverse_bandwidth_s_per_byte, 0.0)
        flows = [(edge.source, edge.target, edge.size_bytes * problem.edge_rate(edge)) for edge in problem.edges]
        self._parents: list[list[tuple[int, float]]] = [[] for _ in range(task_count)]
        self._children: list[list[tuple[int, float]]] = [[] for _ in range(task_count)]
        for source, target, flow_bytes in flows:
            self._parents[target].append((source, flow_bytes))
            self._children[source].append((target, flow_bytes))

    def neighbours(self, task: int) -> list[int]:
        return [other for other, _ in (*self._parents[task], *self._children[task])]

    def addition(self, task: int) -> Addition:
        """What `task`, which is not placed, would add on each node."""
        in_rows, in_bytes = self._grouped(self._parents[task])
        out_rows, out_bytes = self._grouped(self._children[task])
        possible = np.isfinite(self.work_s[task])
        if in_rows:
            possible &= self._linked[in_rows].all(axis=0)
        if out_rows:
            possible &= self._linked[:, out_rows].all(axis=1)
        return Addition(
            node_s=self.work_s[task],
            in_rows=in_rows,
            in_s=self._per_byte_s[in_rows] * in_bytes,
            out_rows=out_rows,
            out_s=self._per_byte_s[:, out_rows].T * out_bytes,
            is_possible=possible,
        )

    def _grouped(self, others: list[tuple[int, float]]) -> tuple[list[int], FloatArray]:
        """Bytes to or from placed tasks, summed by their node; a column, in the order first met."""
        by_node: dict[int, float] = {}
        for other, flow_bytes in others:
            node = self.assignment[other]
            if node != UNPLACED:
                by_node[node] = by_node.get(node, 0.0) + flow_bytes
        return list(by_node), np.array(list(by_node.values())).reshape(-1, 1)

    def affected_s(self, task: int, addition: Addition) -> FloatArray:
        """Per node, the busiest of what `task` would touch there: node, links, its own workers; inf if impossible."""
        worst_s: FloatArray = np.maximum(self.node_s + addition.node_s, self.worker_s[task])
        if addition.in_rows:
            np.maximum(worst_s, (self.link_s[addition.in_rows, :] + addition.in_s).max(axis=0), out=worst_s)
        if addition.out_rows:
            outgoing_s = self.link_s[:, addition.out_rows].T + addition.out_s
            np.maximum(worst_s, outgoing_s.max(axis=0), out=worst_s)
        worst_s[~addition.is_possible] = np.inf
        return worst_s

    def period_s(self) -> float:
        """The period of what is placed."""
        placed = [task for task, node in enumerate(self.assignment) if node != UNPLACED]
        nodes = [self.assignment[task] for task in placed]
        worker_s = float(self.worker_s[placed, nodes].max()) if placed else 0.0
        return max(float(self.node_s.max()), float(self.link_s.max()), worker_s)

    def reset(self, assignment: Sequence[int]) -> None:
        """Start again from a whole mapping; also rids the sums of the rounding that moves leave behind."""
        self.assignment = list(assignment)
        tasks = range(len(assignment))
        placed_s: FloatArray = self.work_s[tasks, self.assignment]
        sums = np.bincount(self.assignment, weights=placed_s, minlength=len(self.node_s))
        self.node_s = sums.astype(np.float64)
        self.link_s[:] = 0.0
        for task, children in enumerate(self._children):
            source = assignment[task]
            for child, flow_bytes in children:
                target = assignment[child]
                self.link_s[source, target] += flow_bytes * self._per_byte_s[source, target]

    def put(self, task: int, node: int, addition: Addition | None = None) -> None:
        self._change(task, node, addition or self.addition(task), 1.0)
        self.assignment[task] = node

    def take(self, task: int) -> Addition:
        """Take a placed task away; returns what it would add elsewhere."""
        node = self.assignment[task]
        self.assignment[task] = UNPLACED
        addition = self.addition(task)
        self._change(task, node, addition, -1.0)
        return addition

    def _change(self, task: int, node: int, addition: Addition, sign: float) -> None:
        self.node_s[node] += sign * self.work_s[task, node]
        for row, seconds in zip(addition.in_rows, addition.in_s[:, node].tolist(), strict=True):
            self.link_s[row, node] += sign * seconds
        for row, seconds in zip(addition.out_rows, addition.out_s[:, node].tolist(), strict=True):
            self.link_s[node, row] += sign * seconds
