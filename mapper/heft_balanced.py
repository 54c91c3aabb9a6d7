"""HEFT with a cap on tasks per node, as Jupiter's HEFT Balanced means it.

The cap is the least that lets every task in, and never under two. Tasks that can only run on one node count against
that node's cap; where all nodes of a task are full, the least overfull of them takes it.
"""

from __future__ import annotations

from mapper.placement import place_in_order
from mapper.problem import Problem
from mapper.ranks import priority_order
from mapper.result import Objective, Plan
from mapper.schedule import Schedule

LEAST_CAP = 2
"""Jupiter's MAX_TASK_ALLOWED; without a floor a chain shorter than the network would be spread over it."""


def cap_and_room(problem: Problem) -> tuple[int, tuple[int, ...]]:
    """Tasks per node, and how many of them are left to tasks that have a choice."""
    has_choice = problem.allowed.sum(axis=1) > 1
    free_count = int(has_choice.sum())
    fixed = problem.allowed[~has_choice].sum(axis=0).tolist()
    useful = problem.allowed[has_choice].any(axis=0).tolist()
    cap = LEAST_CAP
    while sum(max(0, cap - count) for count, is_useful in zip(fixed, useful, strict=True) if is_useful) < free_count:
        cap += 1
    return cap, tuple(max(0, cap - count) for count in fixed)


def schedule(problem: Problem) -> Schedule:
    return place_in_order(problem, priority_order(problem), room=cap_and_room(problem)[1])


def solve(problem: Problem, *, objective: Objective, seed: int) -> Plan:
    del objective, seed
    return Plan(schedule(problem), f"HEFT with at most {cap_and_room(problem)[0]} tasks per node")
