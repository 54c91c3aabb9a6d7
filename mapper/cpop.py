"""CPOP: critical path on a processor (Topcuoglu, Hariri, Wu, IEEE TPDS 13(3), 2002).

A task's priority is the length of the longest way through it. The tasks on the longest way of all go to the one node
that runs them fastest together; of the others, the ready one with the highest priority goes where it finishes first.
"""

from __future__ import annotations

import numpy as np

from mapper.placement import place_in_order
from mapper.problem import Problem
from mapper.ranks import TIE_RATIO, downward_rank, mean_costs, positions_by, upward_rank
from mapper.result import Asked, Plan
from mapper.schedule import Schedule
from mapper.topology import priority_topological_order


def priorities(problem: Problem) -> tuple[float, ...]:
    costs = mean_costs(problem)
    ranks = zip(upward_rank(problem, costs), downward_rank(problem, costs), strict=True)
    return tuple(up + down for up, down in ranks)


def critical_path(problem: Problem, priority: tuple[float, ...]) -> tuple[int, ...]:
    """From a source to a sink along tasks of the highest priority.

    Of equal ones the first on the way down: a shortcut to a later task of the path has the priority of the path too.
    """
    rank = upward_rank(problem)
    sources = [task for task in range(len(problem.tasks)) if not problem.incoming[task]]
    path: list[int] = []
    candidates = sources
    while candidates:
        highest = max(priority[task] for task in candidates)
        equal = [task for task in candidates if priority[task] >= highest * (1 - TIE_RATIO)]
        path.append(min(equal, key=lambda task: (-rank[task], task)))
        candidates = [problem.edges[e].target for e in problem.outgoing[path[-1]]]
    return tuple(path)


def critical_node(problem: Problem, path: tuple[int, ...]) -> int:
    """Runs the most of the path, then runs it fastest. Tasks without a choice of node have no say in it."""
    tasks = [task for task in path if problem.allowed[task].sum() > 1] or list(path)
    allowed = problem.allowed[tasks]
    counts = allowed.sum(axis=0)
    seconds = np.where(allowed, problem.exec_s[tasks], 0.0).sum(axis=0)
    seconds[counts < counts.max()] = np.inf
    return int(np.flatnonzero(seconds <= seconds.min() * (1 + TIE_RATIO))[0])


def schedule(problem: Problem) -> Schedule:
    priority = priorities(problem)
    path = critical_path(problem, priority)
    only = np.ones(problem.allowed.shape, dtype=np.bool_)
    only[list(path)] = np.arange(len(problem.nodes)) == critical_node(problem, path)
    return place_in_order(problem, ready_order(problem, priority), only=only)


def ready_order(problem: Problem, priority: tuple[float, ...]) -> tuple[int, ...]:
    """Always the ready task with the highest priority; of equal ones, that with the higher upward rank."""
    position = {task: index for index, task in enumerate(positions_by(problem, priority, upward_rank(problem)))}
    pairs = [(edge.source, edge.target) for edge in problem.edges]
    return priority_topological_order([position[task] for task in range(len(position))], pairs)


def solve(problem: Problem, asked: Asked) -> Plan:
    del asked
    node = problem.nodes[critical_node(problem, critical_path(problem, priorities(problem)))]
    return Plan(schedule(problem), f"the longest way through the graph on {node}, the rest where it finishes first")
