"""HEFT with a cap on tasks per node, as Jupiter's HEFT Balanced means it.

The cap is the least that lets every task in, and never under what is configured. Tasks that can only run on one node
count against that node's cap; where all nodes of a task are full, the least overfull of them takes it.
"""

from __future__ import annotations

import numpy as np

from mapper.placement import place_in_order
from mapper.problem import Problem
from mapper.ranks import priority_order
from mapper.result import Asked, Plan
from mapper.schedule import Schedule
from runtime.mapper_options import MapperOptions

CONFIGURED_CAP = MapperOptions().tasks_per_node
"""Without a floor a chain shorter than the network would be spread over it."""


def cap_and_room(problem: Problem, configured: int = CONFIGURED_CAP) -> tuple[int, tuple[int, ...]]:
    """Tasks per node, and how many of them are left to tasks that have a choice."""
    has_choice = problem.allowed.sum(axis=1) > 1
    free_count = int(has_choice.sum())
    fixed = problem.allowed[~has_choice].sum(axis=0).tolist()
    useful = problem.allowed[has_choice].any(axis=0).tolist()
    cap = configured
    while sum(max(0, cap - count) for count, is_useful in zip(fixed, useful, strict=True) if is_useful) < free_count:
        cap += 1
    return cap, tuple(max(0, cap - count) for count in fixed)


def schedule(problem: Problem, configured: int = CONFIGURED_CAP) -> Schedule:
    return place_in_order(problem, priority_order(problem), room=cap_and_room(problem, configured)[1])


def solve(problem: Problem, asked: Asked) -> Plan:
    configured = asked.options.tasks_per_node
    cap, _ = cap_and_room(problem, configured)
    found = schedule(problem, configured)
    counts = np.bincount(found.assignment, minlength=len(problem.nodes)).tolist()
    more = [f"{node} has {count}" for node, count in zip(problem.nodes, counts, strict=True) if count > cap]
    why = f"HEFT with at most {cap} tasks per node"
    return Plan(found, f"{why}, but {', '.join(more)}: they find no room elsewhere" if more else why)
