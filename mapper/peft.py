"""PEFT: predict earliest finish time (Arabnejad, Barbosa, IEEE TPDS 25(3), 2014).

The optimistic cost table says how long the rest of the graph takes at best once a task has run on a node; a task goes
where its finish time plus that is least. The paper takes the mean transfer time between two nodes; here it is that of
the very link, which is the same where links are alike and keeps tasks off nodes with no path onwards.
"""

from __future__ import annotations

import numpy as np

from mapper.cpop import ready_order
from mapper.placement import place_in_order
from mapper.problem import FloatArray, Problem
from mapper.result import Asked, Plan
from mapper.schedule import Schedule


def optimistic_costs_s(problem: Problem) -> FloatArray:
    """[task, node] seconds from the end of the task to the end of the graph, everything going well."""
    costs_s = np.zeros_like(problem.compute_s)
    per_byte_s = np.where(problem.linked, problem.inverse_bandwidth_s_per_byte, 0.0)
    for task in reversed(problem.topological):
        for index in problem.outgoing[task]:
            edge = problem.edges[index]
            transfer_s = edge.size_bytes * per_byte_s
            transfer_s += problem.latency_s
            transfer_s += costs_s[edge.target] + problem.compute_s[edge.target]
            np.maximum(costs_s[task], transfer_s.min(axis=1), out=costs_s[task])
    return costs_s


def rank(problem: Problem, costs_s: FloatArray) -> tuple[float, ...]:
    """Mean optimistic cost over the nodes a task may run on."""
    total_s = np.where(problem.allowed, costs_s, 0.0).sum(axis=1)
    return tuple((total_s / problem.allowed.sum(axis=1)).tolist())


def schedule(problem: Problem) -> Schedule:
    costs_s = optimistic_costs_s(problem)
    return place_in_order(problem, ready_order(problem, rank(problem, costs_s)), bias_s=costs_s)


def solve(problem: Problem, asked: Asked) -> Plan:
    del asked
    return Plan(schedule(problem), "each task where its finish and the rest of the graph after it are earliest")
