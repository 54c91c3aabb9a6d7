"""The one order of tasks that every mapper shares, and the cycle that forbids it. Tasks are indices."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

SOURCE, SINK = "(ingress)", "(egress)"
"""Where inputs come from and results go, in the problem of an application: names that no task of it can have."""


def topological_order(task_count: int, edges: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Parents first, the first declared among the ready ones; tasks on or below a cycle are left out."""
    return priority_topological_order(range(task_count), edges)


def priority_topological_order(priority: Sequence[float], edges: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Parents first; among the ready tasks the one with the smallest `priority`, then the first declared."""
    missing = [0] * len(priority)
    children: list[list[int]] = [[] for _ in priority]
    for source, target in edges:
        missing[target] += 1
        children[source].append(target)
    ready = [(priority[task], task) for task in range(len(priority)) if not missing[task]]
    heapq.heapify(ready)
    order = []
    while ready:
        _, task = heapq.heappop(ready)
        order.append(task)
        for child in children[task]:
            missing[child] -= 1
            if not missing[child]:
                heapq.heappush(ready, (priority[child], child))
    return tuple(order)


def find_cycle(task_count: int, edges: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """The tasks of one cycle along its edges, the first declared one first; empty if there is none."""
    ordered = set(topological_order(task_count, edges))
    stuck_parent: dict[int, int] = {}
    for source, target in edges:
        if source not in ordered and target not in ordered:
            stuck_parent.setdefault(target, source)
    if not stuck_parent:
        return ()
    # Every task left over has a parent left over, so walking up must come back to a task already passed.
    walk = [min(stuck_parent)]
    while (parent := stuck_parent[walk[-1]]) not in walk:
        walk.append(parent)
    cycle = walk[walk.index(parent) :][::-1]
    first = cycle.index(min(cycle))
    return tuple(cycle[first:] + cycle[:first])
