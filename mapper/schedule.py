"""The one evaluator: what a mapping costs one item alone (makespan) and per item in steady state (period).

Model: a node runs as many tasks at once as it has cores; a transfer delays the child and takes nothing from
the node or from other transfers; a child starts when its last input has arrived. The makespan follows one
item through the graph, so rates and replicas count in the period only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np

from mapper.problem import Edge, Problem, ProblemError
from mapper.ranks import TIE_RATIO, priority_order
from mapper.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Where and when each task runs, by task index. `order` is the one in which tasks were placed."""

    assignment: tuple[int, ...]
    start_s: tuple[float, ...]
    finish_s: tuple[float, ...]
    order: tuple[int, ...]

    @property
    def makespan_s(self) -> float:
        """The last finish, on the clock on which `release_s` and `busy` are given."""
        return max(self.finish_s)


def timelines(problem: Problem) -> list[Timeline]:
    """What each node has promised before anything is placed."""
    return [Timeline(problem.slots(node), busy) for node, busy in enumerate(problem.busy)]


def evaluate(problem: Problem, assignment: Sequence[int], order: Sequence[int] | None = None) -> Schedule:
    """Place every task on its node, in `order` (parents first), each into the earliest gap that fits.

    Raises ProblemError naming the task when it cannot run there, or the edge when there is no path.
    """
    check_assignment(problem, assignment)
    order = tuple(order) if order is not None else priority_order(problem)
    _check_order(problem, order)
    walk = Walk(problem, assignment)
    walk.place(order)
    return Schedule(
        assignment=tuple(assignment), start_s=tuple(walk.start_s), finish_s=tuple(walk.finish_s), order=order
    )


class Walk:
    """A schedule in the making, of a mapping that is possible."""

    __slots__ = (
        "_assignment",
        "_duration_s",
        "_problem",
        "_sources",
        "_timelines",
        "_transfer_s",
        "finish_s",
        "start_s",
    )

    def __init__(self, problem: Problem, assignment: Sequence[int]) -> None:
        nodes = np.asarray(assignment)
        self._problem = problem
        self._assignment = list(assignment)
        self._timelines = timelines(problem)
        self._sources = problem.edge_sources.tolist()
        sources, targets = nodes[problem.edge_sources], nodes[problem.edge_targets]
        # In the order of additions of `Problem.transfer_s`, so that everybody gets the same bits.
        transfers = problem.edge_bytes * problem.inverse_bandwidth_s_per_byte[sources, targets]
        self._transfer_s = (transfers + problem.latency_s[sources, targets]).tolist()
        self._duration_s = problem.compute_s[np.arange(len(nodes)), nodes].tolist()
        self.start_s, self.finish_s = [0.0] * len(nodes), [0.0] * len(nodes)

    def place(self, tasks: Iterable[int]) -> None:
        """The next ones, parents first."""
        incoming, release_s = self._problem.incoming, self._problem.release_s
        sources, transfer_s, durations_s = self._sources, self._transfer_s, self._duration_s
        begin_s, finish_s, nodes, timelines = self.start_s, self.finish_s, self._assignment, self._timelines
        for task in tasks:
            ready_s = release_s
            for index in incoming[task]:
                arrival_s = transfer_s[index] + finish_s[sources[index]]
                if arrival_s > ready_s:
                    ready_s = arrival_s
            duration_s = durations_s[task]
            begin_s[task] = start_s = timelines[nodes[task]].take(ready_s, duration_s)
            finish_s[task] = start_s + duration_s

    def elsewhere(self, task: int, node: int) -> Walk:
        """The same so far, with a task that is not placed yet on another node."""
        problem, other = self._problem, copy(self)
        other._assignment = [*self._assignment[:task], node, *self._assignment[task + 1 :]]
        other._duration_s = [
            *self._duration_s[:task],
            float(problem.compute_s[task, node]),
            *self._duration_s[task + 1 :],
        ]
        other._transfer_s = self._transfer_s.copy()
        for index in (*problem.incoming[task], *problem.outgoing[task]):
            edge = problem.edges[index]
            source, target = other._assignment[edge.source], other._assignment[edge.target]
            other._transfer_s[index] = problem.transfer_s(edge.size_bytes, source, target)
        other.start_s, other.finish_s = self.start_s.copy(), self.finish_s.copy()
        other._timelines = [timeline.copy() for timeline in self._timelines]
        return other


def check_assignment(problem: Problem, assignment: Sequence[int]) -> None:
    """Every task on a node that can run it, every edge along a path."""
    if len(assignment) != len(problem.tasks):
        raise ProblemError([f"mapping: {len(assignment)} tasks are mapped, {len(problem.tasks)} are needed"])
    nodes = np.asarray(assignment)
    are_linked = problem.linked[nodes[problem.edge_sources], nodes[problem.edge_targets]]
    if are_linked.all() and problem.allowed[np.arange(len(nodes)), nodes].all():
        return
    faults = []
    for task, node in enumerate(assignment):
        name, node_name = problem.tasks[task], problem.nodes[node]
        if pinned := problem.pins.get(name):
            if pinned != node_name:
                faults.append(f"mapping.{name}: it is pinned to {pinned}, not {node_name}")
        elif not problem.exec_s[task, node] < float("inf"):
            faults.append(f"mapping.{name}: {node_name} cannot run it (exec_s.{name}.{node_name} is missing)")
    for edge in problem.edges:
        source, target = assignment[edge.source], assignment[edge.target]
        if not problem.linked[source, target]:
            path = f"{problem.nodes[source]} -> {problem.nodes[target]}"
            edge_name = f"{problem.tasks[edge.source]} -> {problem.tasks[edge.target]}"
            faults.append(f"mapping.{problem.tasks[edge.target]}: {edge_name} needs the link {path}, which is missing")
    if faults:
        raise ProblemError(faults)


def _check_order(problem: Problem, order: tuple[int, ...]) -> None:
    if sorted(order) != list(range(len(problem.tasks))):
        raise ProblemError(["order: it must hold every task exactly once"])
    place = {task: index for index, task in enumerate(order)}
    faults = [
        f"order: {problem.tasks[edge.target]} comes before its parent {problem.tasks[edge.source]}"
        for edge in problem.edges
        if place[edge.source] > place[edge.target]
    ]
    if faults:
        raise ProblemError(faults)


def validate(problem: Problem, schedule: Schedule) -> list[str]:
    """What is wrong with a schedule, whoever made it; empty if nothing is."""
    try:
        check_assignment(problem, schedule.assignment)
    except ProblemError as error:
        return list(error.messages)
    faults = []
    for task, name in enumerate(problem.tasks):
        start_s, finish_s = schedule.start_s[task], schedule.finish_s[task]
        duration_s = float(problem.compute_s[task, schedule.assignment[task]])
        if start_s < problem.release_s:
            faults.append(f"{name}: starts at {start_s:g}, before the release at {problem.release_s:g}")
        if abs(start_s + duration_s - finish_s) > TIE_RATIO * finish_s:
            faults.append(f"{name}: runs from {start_s:g} to {finish_s:g} instead of for {duration_s:g}")
    faults += [fault for edge in problem.edges for fault in _late_input(problem, schedule, edge)]
    for node in range(len(problem.nodes)):
        faults += _overfull(problem, schedule, node)
    return faults


def _late_input(problem: Problem, schedule: Schedule, edge: Edge) -> list[str]:
    source, target = edge.source, edge.target
    transfer_s = problem.transfer_s(edge.size_bytes, schedule.assignment[source], schedule.assignment[target])
    arrival_s = schedule.finish_s[source] + transfer_s
    if schedule.start_s[target] >= arrival_s * (1 - TIE_RATIO):
        return []
    names = f"{problem.tasks[source]} -> {problem.tasks[target]}"
    return [f"{names}: arrives at {arrival_s:g}, after the start at {schedule.start_s[target]:g}"]


def _overfull(problem: Problem, schedule: Schedule, node: int) -> list[str]:
    """Sweep over time; an end frees its slot before anything starts at the same moment."""
    end, moment, begin = 0, 1, 2  # a task of zero seconds needs a free slot at its moment and keeps none
    events: list[tuple[float, int, str]] = []
    slots = problem.slots(node)
    # As the timeline holds them: never more at once than there are slots.
    for start_s, finish_s in Timeline(slots, problem.busy[node]).intervals():
        events += [(finish_s, end, ""), (start_s, begin, "")]
    for task, name in enumerate(problem.tasks):
        if schedule.assignment[task] == node:
            start_s, finish_s = schedule.start_s[task], schedule.finish_s[task]
            is_empty = finish_s <= start_s
            events += [(start_s, moment, name)] if is_empty else [(finish_s, end, ""), (start_s, begin, name)]
    running = 0
    faults = []
    for time_s, kind, name in sorted(events):
        if kind == end:
            running -= 1
            continue
        if running >= slots:
            faults.append(f"{name or 'busy'}: {problem.nodes[node]} has no free core of {slots} at {time_s:g}")
        running += kind == begin
    return faults
