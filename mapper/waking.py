"""What workers spend on beginning again, which depends on how far apart items come, and so on the mapping. Pure.

A mapper needs seconds that do not depend on what it decides: it is given those of a mapping that shares the work well.
What a mapping foretells has those of its own pace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mapper.period import link_loads_s
from mapper.problem import BoolArray, FloatArray, Problem
from mapper.schedule import check_assignment
from mapper.table import ProfileTable
from runtime import handling

ROUNDS = 60
"""Far more than a pace takes to settle, where a node is not almost full of beginning again."""
SETTLED_RATIO = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Waking:
    """By task and node of one problem."""

    wake_s: FloatArray
    """[node] what it takes to begin again."""
    wakes_per_s: FloatArray
    """[node] how often a worker does, at most."""
    items: FloatArray
    """[task] per root input, of each of its workers."""
    wakes: BoolArray
    """[task] whether a process stands behind it."""

    def per_item_s(self, pace_s: float) -> FloatArray:
        """[task, node] when root inputs come so far apart; of an item alone, infinitely."""
        apart_s = np.divide(pace_s, self.items, out=np.full(len(self.items), np.inf), where=self.items > 0)
        share = np.minimum(1.0, apart_s[:, None] * self.wakes_per_s)
        return np.where(self.wakes[:, None], self.wake_s * share, 0.0)


def of_nodes(
    table: ProfileTable,
    nodes: Sequence[str],
    items: Sequence[float],
    wakes: Sequence[bool],
) -> Waking:
    """What profiles say. Of a node without a speed nothing is known."""
    speeds = [table.speed_of(node) for node in nodes]
    return Waking(
        wake_s=np.array([0.0 if speed is None else handling.wake_s(speed) for speed in speeds]),
        wakes_per_s=np.array([handling.wakes_per_s(table.profile_of(node).quota_period_s) for node in nodes]),
        items=np.array(items, dtype=np.float64),
        wakes=np.array(wakes, dtype=np.bool_),
    )


def pace_s(
    seconds: Mapping[str, Mapping[str, float]], cores: Mapping[str, float], replicas: Mapping[str, int]
) -> float:
    """About how far apart root inputs are when the nodes share all tasks out as they can; one worker is not shared.

    `seconds` are per root input, by task and node.
    """
    by_node = dict.fromkeys(cores, 0.0)
    for row in seconds.values():
        for node, found_s in row.items():
            by_node[node] += found_s
    per_s = sum(max(1.0, cores[node]) / total_s for node, total_s in by_node.items() if total_s > 0)
    longest_s = max((min(row.values()) / replicas[task] for task, row in seconds.items() if row), default=0.0)
    return max(1.0 / per_s if per_s else 0.0, longest_s)


def settled(problem: Problem, own_s: FloatArray, waking: Waking, assignment: Sequence[int]) -> Problem:
    """The problem at the pace that this mapping has under it; `own_s` are its seconds without waking.

    Raises ProblemError when the mapping is impossible.
    """
    check_assignment(problem, assignment)
    tasks, nodes = np.arange(len(assignment)), np.asarray(assignment)
    links_s, rates = link_loads_s(problem, assignment).max(), np.array(problem.rates)
    now_s = 0.0
    for _ in range(ROUNDS):
        before_s, seconds = now_s, (own_s + waking.per_item_s(now_s))[tasks, nodes] * rates
        node_s = np.bincount(nodes, weights=seconds, minlength=len(problem.nodes)) / problem.cores
        now_s = float(max(links_s, node_s.max(), (seconds / problem.replicas).max()))
        if now_s - before_s <= SETTLED_RATIO * now_s:
            break
    return replace(problem, exec_s=own_s + waking.per_item_s(now_s))
