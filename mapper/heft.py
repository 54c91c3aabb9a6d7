"""HEFT: heterogeneous earliest finish time (Topcuoglu, Hariri, Wu, IEEE TPDS 13(3), 2002).

Tasks by falling upward rank, each on the node where it finishes first, gaps included. Ties: rank, then
topological position; finish time, then the node with the least work so far, then declared order.
"""

from __future__ import annotations

from mapper.placement import place_in_order
from mapper.problem import Problem
from mapper.ranks import priority_order
from mapper.result import Asked, Plan
from mapper.schedule import Schedule


def schedule(problem: Problem) -> Schedule:
    return place_in_order(problem, priority_order(problem))


def solve(problem: Problem, asked: Asked) -> Plan:
    """Makes the makespan small whatever the objective: that is what HEFT does."""
    del asked
    return Plan(schedule(problem), "each task, by upward rank, on the node where it finishes first")
