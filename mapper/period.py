"""Seconds per item in steady state: the busiest node, worker or link decides (Benoit, Catalyurek, Robert,
Saule, A survey of pipelined workflow scheduling, ACM Computing Surveys 45(4), 2013).

A link is busy for bytes over bandwidth: its latency delays an item but lets the next one follow at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mapper.problem import FloatArray, IndexArray, Problem
from mapper.schedule import check_assignment


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """`period_s` and the seconds per root input of everything that could have decided it."""

    period_s: float
    bottleneck: str
    """`node P2`, `task T9` (its replicas are the limit), `link P1 -> P3` or `nothing`; ties: the first kind."""
    node_s: FloatArray
    task_s: FloatArray
    link_s: FloatArray


def period(problem: Problem, assignment: Sequence[int]) -> Period:
    """The period of a mapping; raises ProblemError like `evaluate` when the mapping is impossible."""
    check_assignment(problem, assignment)
    nodes = np.asarray(assignment)
    work_s = problem.exec_s[np.arange(len(nodes)), nodes] * problem.rates
    node_s = np.bincount(nodes, weights=work_s, minlength=len(problem.nodes)) / problem.cores
    task_s = work_s / problem.replicas
    link_s = link_loads_s(problem, assignment)
    per_kind = [float(values.max()) for values in (node_s, task_s, link_s)]
    period_s = max(per_kind)
    kind = per_kind.index(period_s)
    if period_s == 0.0:
        bottleneck = "nothing"
    elif kind == 0:
        bottleneck = f"node {problem.nodes[int(node_s.argmax())]}"
    elif kind == 1:
        bottleneck = f"task {problem.tasks[int(task_s.argmax())]}"
    else:
        source, target = divmod(int(link_s.argmax()), len(problem.nodes))
        bottleneck = f"link {problem.nodes[source]} -> {problem.nodes[target]}"
    return Period(period_s=period_s, bottleneck=bottleneck, node_s=node_s, task_s=task_s, link_s=link_s)


def link_loads_s(problem: Problem, assignment: Sequence[int]) -> FloatArray:
    """[from, to] seconds per root input that each directed link is busy; 0 on the diagonal."""
    count = len(problem.nodes)
    nodes = np.asarray(assignment)
    sources, targets = nodes[problem.edge_sources], nodes[problem.edge_targets]
    rates = np.array([problem.edge_rate(edge) for edge in problem.edges])
    seconds = problem.edge_bytes * rates * problem.inverse_bandwidth_s_per_byte[sources, targets]
    link_s = np.bincount(sources * count + targets, weights=seconds, minlength=count * count)
    return np.asarray(link_s, dtype=np.float64).reshape(count, count)


def moved_s(
    problem: Problem, assignment: Sequence[int], task: int, to: Sequence[int]
) -> tuple[list[float], list[float]]:
    """The period, and the node's own seconds per root input, with one task moved to each of these nodes in turn.

    Summed as in `period`, all at once: every number has the same bits.
    """
    count, rows = len(problem.nodes), np.arange(len(to))
    nodes = np.tile(np.asarray(assignment), (len(to), 1))
    nodes[:, task] = to
    work_s = problem.exec_s[np.arange(nodes.shape[1]), nodes] * problem.rates
    node_s = _sums(nodes, work_s, count) / problem.cores
    sources, targets = nodes[:, problem.edge_sources], nodes[:, problem.edge_targets]
    rates = np.array([problem.edge_rate(edge) for edge in problem.edges])
    seconds = problem.edge_bytes * rates * problem.inverse_bandwidth_s_per_byte[sources, targets]
    link_s = _sums(sources * count + targets, seconds, count * count)
    periods_s = np.maximum.reduce([node_s.max(axis=1), (work_s / problem.replicas).max(axis=1), link_s.max(axis=1)])
    return periods_s.tolist(), node_s[rows, list(to)].tolist()


def _sums(bins: IndexArray, weights: FloatArray, count: int) -> FloatArray:
    """[row, bin] sums of each row's weights."""
    rows = len(bins)
    places = (bins + np.arange(rows)[:, None] * count).ravel()
    sums: FloatArray = np.bincount(places, weights=weights.ravel(), minlength=rows * count).astype(np.float64)
    return sums.reshape(rows, count)
