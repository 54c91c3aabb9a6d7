"""HEFT as the textbook has it, in plain Python: lists, no numpy. What `bench_mapper.py` compares ours with.

The paper's pseudocode as it reads (Topcuoglu, Hariri, Wu, IEEE TPDS 13(3), 2002): every task on every node, each
transfer computed where it is needed, each node's schedule scanned from its start; nothing is pruned, nothing is slow on
purpose. O(E P) and the scans; the mean latency and the mean seconds per byte are taken once, as in the paper's formula.
Same numbers in, same makespan out as ours, ties aside.
"""

from __future__ import annotations

from typing import Any


def schedule(form: dict[str, Any]) -> dict[str, tuple[str, float, float]]:
    """Task to (node, start, finish), for a problem form in which everything runs everywhere."""
    nodes = form["nodes"]
    parents: dict[str, list[tuple[str, float]]] = {task: [] for task in form["tasks"]}
    children: dict[str, list[tuple[str, float]]] = {task: [] for task in form["tasks"]}
    for edge in form["edges"]:
        parents[edge["target"]].append((edge["source"], edge["bytes"]))
        children[edge["source"]].append((edge["target"], edge["bytes"]))
    rank = upward_ranks(form, children)
    placed: dict[str, tuple[str, float, float]] = {}
    timelines: dict[str, list[tuple[float, float]]] = {node: [] for node in nodes}
    for task in sorted(form["tasks"], key=lambda task: -rank[task]):
        best = None
        for node in nodes:
            ready_s = 0.0
            for parent, size_bytes in parents[task]:
                there, _, finish_s = placed[parent]
                ready_s = max(ready_s, finish_s + transfer_s(form, there, node, size_bytes))
            duration_s = form["exec_s"][task][node]
            start_s = earliest_start(timelines[node], ready_s, duration_s)
            if best is None or start_s + duration_s < best[2]:
                best = (node, start_s, start_s + duration_s)
        assert best is not None
        placed[task] = best
        timelines[best[0]].append(best[1:])
        timelines[best[0]].sort()
    return placed


def upward_ranks(form: dict[str, Any], children: dict[str, list[tuple[str, float]]]) -> dict[str, float]:
    links = [link for row in form["links"].values() for link in row.values()]
    latency_s = sum(link["latency_s"] for link in links) / len(links)
    per_byte_s = sum(1 / link["bandwidth_bytes_per_s"] for link in links) / len(links)
    rank: dict[str, float] = {}

    def rank_of(task: str) -> float:
        if task not in rank:
            below = [latency_s + size_bytes * per_byte_s + rank_of(child) for child, size_bytes in children[task]]
            row = form["exec_s"][task].values()
            rank[task] = sum(row) / len(row) + max(below, default=0.0)
        return rank[task]

    for task in form["tasks"]:
        rank_of(task)
    return rank


def transfer_s(form: dict[str, Any], source: str, target: str, size_bytes: float) -> float:
    if source == target:
        return 0.0
    link = form["links"][source][target]
    return float(link["latency_s"] + size_bytes / link["bandwidth_bytes_per_s"])


def earliest_start(timeline: list[tuple[float, float]], ready_s: float, duration_s: float) -> float:
    """The first gap that is long enough, from the ready time on."""
    free_from_s = 0.0
    for start_s, finish_s in timeline:
        begin_s = max(free_from_s, ready_s)
        if begin_s + duration_s <= start_s:
            return begin_s
        free_from_s = finish_s
    return max(free_from_s, ready_s)
