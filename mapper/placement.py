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

from mapper.arrivals import Arrivals
from mapper.guard import DeadEnd, Guard, guarded
from mapper.problem import BoolArray, FloatArray, Problem
from mapper.ranks import TIE_RATIO
from mapper.schedule import Schedule, timelines

NO_NODE = -1


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
    """The state of one run: what is placed, and when nodes are free."""

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
        self._timelines = timelines(problem)
        self._tail_s = np.array([timeline.tail_s() for timeline in self._timelines])
        self._work_s = [0.0] * node_count
        self._is_plain = only is None and room is None and problem.is_fully_linked
        self._ready_s = np.empty(node_count)
        """When the inputs of the task that is being placed could be on each node."""
        self._assignment = np.zeros(task_count, dtype=np.intp)
        self._start_s, self._finish_s = [0.0] * task_count, np.zeros(task_count)

    def run(self, order: Sequence[int]) -> Schedule:
        arrivals, end = Arrivals(self._problem, order), 0
        for place, task in enumerate(order):
            if place == end:
                first, ready_s = place, arrivals.from_place(place, self._assignment, self._finish_s)
                end = first + len(ready_s)
                favourites = self._favourites(order[first:end], ready_s)
            self._ready_s = ready_s[place - first]
            node = self._next(task, favourites[place - first])
            if node is None:
                raise DeadEnd(task)
            self._commit(task, node)
        return Schedule(
            assignment=tuple(self._assignment.tolist()),
            start_s=tuple(self._start_s),
            finish_s=tuple(self._finish_s.tolist()),
            order=tuple(order),
        )

    def _favourites(self, tasks: Sequence[int], ready_s: FloatArray) -> list[int]:
        """By task, the node that is the best if the task can start there at once; none where two are as good."""
        if not self._is_plain or len(tasks) == 1:  # for one it does not pay
            return [NO_NODE] * len(tasks)
        floor = ready_s + self._compute_s[list(tasks)]
        if self._bias_s is not None:
            floor += self._bias_s[list(tasks)]
        nodes = floor.argmin(axis=1)
        least = floor[np.arange(len(nodes)), nodes]
        is_alone = (floor <= least[:, None] * (1 + TIE_RATIO)).sum(axis=1) == 1
        nodes[~(is_alone & np.isfinite(least))] = NO_NODE
        found: list[int] = nodes.tolist()
        return found

    def _next(self, task: int, favourite: int) -> int | None:
        if favourite != NO_NODE:
            ready_s = float(self._ready_s[favourite])
            if self._timelines[favourite].earliest(ready_s, float(self._compute_s[task, favourite]))[0] == ready_s:
                return favourite
        return self._best(task, self._compute_s[task]) if self._is_plain else self._choose(task)

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
        ready_s, bias_s = self._ready_s, None if self._bias_s is None else self._bias_s[task]
        score = np.maximum(ready_s, self._tail_s)
        score += compute_s
        floor = ready_s + compute_s
        if bias_s is not None:
            score += bias_s
            floor += bias_s
        best = float(score[score.argmin()])
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
        timeline = self._timelines[node]
        duration_s = float(self._compute_s[task, node])
        start_s = timeline.take(float(self._ready_s[node]), duration_s)
        self._tail_s[node] = timeline.tail_s()
        self._assignment[task], self._start_s[task], self._finish_s[task] = node, start_s, start_s + duration_s
        self._work_s[node] += duration_s / self._problem.cores[node]
        if self._room is not None and not self._has_one_node[task]:
            self._room[node] -= 1
