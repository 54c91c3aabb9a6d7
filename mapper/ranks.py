"""Priorities of tasks: mean costs, upward and downward ranks, and the order that follows from them.

Upward and downward rank as in Topcuoglu, Hariri, Wu (IEEE TPDS 13(3), 2002), with the means taken over what
is possible: nodes that may run the task, and distinct ordered pairs of such nodes with a path between them.
So a node that cannot be used changes nothing, and a missing path is neither free nor infinitely dear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mapper.problem import BoolArray, FloatArray, IndexArray, Problem

TIE_RATIO = 1e-9
"""Closer values are equal: sums of the same numbers differ in their last bits by the order of adding."""


@dataclass(frozen=True, slots=True)
class MeanCosts:
    """Seconds per task (by task) and per transfer (by edge), averaged over what is possible."""

    compute_s: tuple[float, ...]
    transfer_s: tuple[float, ...]


def mean_costs(problem: Problem) -> MeanCosts:
    allowed = problem.allowed
    compute_s = np.where(allowed, problem.exec_s, 0.0).sum(axis=1) / allowed.sum(axis=1)
    return MeanCosts(tuple(compute_s.tolist()), _mean_transfers(problem))


def _mean_transfers(problem: Problem) -> tuple[float, ...]:
    if not problem.edges:
        return ()
    # Most tasks can run on the same nodes, so few different sums are needed.
    kinds, kind_of = _kinds(problem.allowed)
    pairs, pair_of = np.unique(
        kind_of[problem.edge_sources] * len(kinds) + kind_of[problem.edge_targets], return_inverse=True
    )
    sources, targets = np.divmod(pairs, len(kinds))
    is_pair = problem.linked & ~np.eye(len(problem.nodes), dtype=bool)

    def sum_over_pairs(values: FloatArray) -> FloatArray:
        # Not as a product of matrices: for that numpy starts threads, which wait for one another on a busy machine.
        from_kind = np.einsum("ij,jk->ik", kinds, np.where(is_pair, values, 0.0))
        by_pair: FloatArray = (from_kind[sources] * kinds[targets]).sum(axis=1)
        return by_pair[pair_of]

    pair_count = sum_over_pairs(np.ones_like(problem.latency_s))
    total_s = sum_over_pairs(problem.latency_s)
    total_s = total_s + problem.edge_bytes * sum_over_pairs(problem.inverse_bandwidth_s_per_byte)
    # No pair at all: both tasks can only be on the same node, where nothing is transferred.
    return tuple((total_s / np.maximum(pair_count, 1.0)).tolist())


def _kinds(allowed: BoolArray) -> tuple[FloatArray, IndexArray]:
    """The different rows, and which of them each task has."""
    firsts: dict[bytes, int] = {}
    first_of = [firsts.setdefault(row.tobytes(), task) for task, row in enumerate(np.packbits(allowed, axis=1))]
    tasks = sorted(set(first_of))
    return allowed[tasks].astype(np.float64), np.searchsorted(tasks, first_of)


def upward_rank(problem: Problem, costs: MeanCosts | None = None) -> tuple[float, ...]:
    """Mean length of the longest way from the start of a task to the end of the graph."""
    costs = costs or mean_costs(problem)
    rank, transfer_s, targets = list(costs.compute_s), costs.transfer_s, problem.edge_targets.tolist()
    for task in reversed(problem.topological):
        if below := problem.outgoing[task]:
            rank[task] += max([transfer_s[e] + rank[targets[e]] for e in below])
    return tuple(rank)


def downward_rank(problem: Problem, costs: MeanCosts | None = None) -> tuple[float, ...]:
    """Mean length of the longest way from the start of the graph to the start of a task."""
    costs = costs or mean_costs(problem)
    rank = [0.0] * len(problem.tasks)
    for task in problem.topological:
        above = []
        for e in problem.incoming[task]:
            parent = problem.edges[e].source
            above.append(rank[parent] + costs.compute_s[parent] + costs.transfer_s[e])
        if above:
            rank[task] = max(above)
    return tuple(rank)


def positions_by(problem: Problem, priority: Sequence[float], second: Sequence[float] = ()) -> tuple[int, ...]:
    """Tasks by falling priority; equal ones (within TIE_RATIO of the first of them) by falling `second`, if given,
    then in topological order.

    An upward rank never grows along an edge, so in its order parents come before their children.
    """
    place = {task: index for index, task in enumerate(positions_by(problem, second) if second else problem.topological)}
    by_priority = sorted(problem.topological, key=lambda task: -priority[task])
    order: list[int] = []
    group: list[int] = []
    for task in by_priority:
        if group and priority[group[0]] - priority[task] > TIE_RATIO * abs(priority[group[0]]):
            order += sorted(group, key=place.__getitem__)
            group = []
        group.append(task)
    return tuple(order + sorted(group, key=place.__getitem__))


def priority_order(problem: Problem) -> tuple[int, ...]:
    """The order of HEFT, in which every mapping is evaluated unless its mapper says otherwise."""
    return positions_by(problem, upward_rank(problem))
