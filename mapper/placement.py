"""List scheduling: take tasks in a given order, put each on the node where it finishes first.

HEFT and its relatives differ in the order and in what they add to the finish time (`bias_s`), so they share
this. The choice is vectorised over nodes: appending after the last task of a node is one array expression,
and the gaps before it are searched only on the nodes where a gap could still win. The result is that of
searching them all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mapper.guard import DeadEnd, Guard, guarded
from mapper.problem import BoolArray, FloatArray, Problem
from mapper.ranks import TIE_RATIO
from mapper.schedule import Schedule, timelines


def place_in_order(
    problem: Problem,
    order: Sequence[int],
    *,
    bias_s: FloatArray | None = None,
    only: BoolArray | None = None,
    room: Sequence[int] | None = None,
) -> Schedule:
    """Schedule the tasks in `order` (parents first), each where finish time + `bias_s[task, node]` is least.

    Ties go to the node with the least work so far, then to the first declared. `only` narrows the nodes of a
    task where it can. `room` is how many tasks that have a choice each node should take; where all are full, the
    least overfull take more. Raises ProblemError naming the task when no mapping is possible.
    """
    return guarded(problem, lambda guard: Placement(problem, guard, bias_s, only, room).run(order))


class Placement:
    """The state of one run: what is placed, when inputs arrive everywhere, when nodes are free."""

    def __init__(
        self,
        problem: Problem,
        guard: Guard,
        bias_s: FloatArray | None = None,
        only: BoolArray | None = None,
        room: Sequence[int] | None = None,
    ) -> None:
        task_count, node_count = problem.compute_s.shape
        self._problem, self._guard, self._bias_s, self._only = problem, guard, bias_s, only
        self._room = None if room is None else list(room)
        self._compute_s = problem.compute_s
        self._has_one_node = (problem.allowed.sum(axis=1) == 1).tolist()
        self._ready_s = np.full((task_count, node_count), problem.release_s)
        self._timelines = timelines(problem)
        self._tail_s = np.array([timeline.tail_s() for timeline in self._timelines])
        self._work_s = [0.0] * node_count
        # Without a path the latency alone is inf; 0 bytes at inf seconds per byte would not be a number.
        self._per_byte_s = np.where(problem.linked, problem.inverse_bandwidth_s_per_byte, 0.0)
        by_source = np.argsort(problem.edge_sources, kind="stable")
        targets, sizes = problem.edge_targets[by_source], problem.edge_bytes[by_source][:, None]
        ends = np.bincount(problem.edge_sources, minlength=task_count).cumsum().tolist()
        spans = list(zip([0, *ends], ends, strict=False))
        self._children = [targets[first:end] for first, end in spans]
        self._sizes = [sizes[first:end] for first, end in spans]
        self._is_plain = only is None and room is None and problem.is_fully_linked
        self._assignment = [0] * task_count
        self._start_s, self._finish_s = [0.0] * task_count, [0.0] * task_count

    def run(self, order: Sequence[int]) -> Schedule:
        for task in order:
            node = self._best(task, self._compute_s[task]) if self._is_plain else self._choose(task)
            if node is None:
                raise DeadEnd(task)
            self._commit(task, node)
        return Schedule(
            assignment=tuple(self._assignment),
            start_s=tuple(self._start_s),
            finish_s=tuple(self._finish_s),
            order=tuple(order),
        )

    def _choose(self, task: int) -> int:
        """The best node, after the preferences that may have to be given up: `only`, and room on the node."""
        compute_s = self._compute_s[task]
        for preferred_s in self._preferences(task, compute_s):
            node = self._best_accepted(task, preferred_s)
            if node is not None:
                return node
        node = self._best_accepted(task, compute_s)
        if node is None:
            raise DeadEnd(task)
        return node

    def _preferences(self, task: int, compute_s: FloatArray) -> list[FloatArray]:
        preferences = []
        if self._only is not None and not self._only[task].all():
            preferences.append(np.where(self._only[task], compute_s, np.inf))
        if self._room is not None and not self._has_one_node[task]:
            room = np.where(np.isfinite(compute_s), self._room, -np.inf)
            preferences.append(np.where(room >= min(1.0, room.max()), compute_s, np.inf))
        return preferences

    def _best_accepted(self, task: int, compute_s: FloatArray) -> int | None:
        node = self._best(task, compute_s)
        while node is not None and not self._guard.accepts(task, node):
            compute_s = compute_s.copy()
            compute_s[node] = np.inf
            node = self._best(task, compute_s)
        return node

    def _best(self, task: int, compute_s: FloatArray) -> int | None:
        """The node with the least score among those where `compute_s` is finite."""
        ready_s, bias_s = self._ready_s[task], None if self._bias_s is None else self._bias_s[task]
        score = np.maximum(ready_s, self._tail_s)
        score += compute_s
        floor = ready_s + compute_s
        if bias_s is not None:
            score += bias_s
            floor += bias_s
        best = float(np.minimum.reduce(score))
        if best == math.inf:
            return None
        # Nothing can finish before its inputs and its own seconds: only these nodes can still win, in a gap or not.
        nodes = (floor <= best * (1 + TIE_RATIO)).nonzero()[0]
        if len(nodes) == 1:
            return int(nodes[0])
        limit = math.inf
        finals: list[tuple[float, int]] = []
        for least, node in sorted(zip(floor[nodes].tolist(), nodes.tolist(), strict=True)):
            if least > limit:
                break
            final = float(score[node])
            ready_here_s = float(ready_s[node])
            if ready_here_s < self._tail_s[node]:
                duration_s = float(compute_s[node])
                start_s, _ = self._timelines[node].earliest(ready_here_s, duration_s)
                final = start_s + duration_s if bias_s is None else start_s + duration_s + float(bias_s[node])
            finals.append((final, node))
            limit = min(limit, final * (1 + TIE_RATIO))
        ties = [node for final, node in finals if final <= limit]
        return ties[0] if len(ties) == 1 else self._least_loaded(sorted(ties))

    def _least_loaded(self, nodes: Sequence[int]) -> int:
        """Of nodes that are equally good, the one with the least work so far, then the first declared."""
        least_s = min(self._work_s[node] for node in nodes)
        return next(node for node in nodes if self._work_s[node] <= least_s * (1 + TIE_RATIO))

    def _commit(self, task: int, node: int) -> None:
        problem = self._problem
        duration_s = float(self._compute_s[task, node])
        start_s, slot = self._timelines[node].earliest(float(self._ready_s[task, node]), duration_s)
        finish_s = start_s + duration_s
        self._timelines[node].add(slot, start_s, finish_s)
        self._tail_s[node] = self._timelines[node].tail_s()
        self._assignment[task], self._start_s[task], self._finish_s[task] = node, start_s, finish_s
        self._work_s[node] += duration_s / problem.cores[node]
        if self._room is not None and not self._has_one_node[task]:
            self._room[node] -= 1
        children = self._children[task]
        if len(children):
            # In the order of additions of `Problem.transfer_s`, so that the evaluator gets the same bits.
            arrival_s = self._sizes[task] * self._per_byte_s[node]
            arrival_s += problem.latency_s[node]
            arrival_s += finish_s
            self._ready_s[children] = np.maximum(self._ready_s.take(children, axis=0), arrival_s)
