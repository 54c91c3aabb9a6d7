"""Seeded random mapping problems for the benchmarks of the mappers."""

from __future__ import annotations

import random
from typing import Any

Form = dict[str, Any]


def layered(task_count: int, node_count: int, seed: int, missing_links_ratio: float = 0.0) -> Form:
    """About the square root of `task_count` layers, one to four parents in the one before; unrelated nodes."""
    draw = random.Random(seed)
    tasks = [f"t{index}" for index in range(task_count)]
    nodes = [f"n{index}" for index in range(node_count)]
    layer_size = max(1, round(task_count**0.5))
    edges = []
    for index in range(layer_size, task_count):
        first = (index // layer_size - 1) * layer_size
        parents = draw.sample(range(first, first + layer_size), min(layer_size, draw.randint(1, 4)))
        edges += [
            {"source": tasks[parent], "target": tasks[index], "bytes": draw.uniform(0, 2e6)}
            for parent in sorted(parents)
        ]
    speeds = [draw.uniform(0.5, 2.0) for _ in nodes]
    cost_s = [draw.uniform(0.5, 1.5) for _ in tasks]
    exec_s = {
        task: {node: cost * draw.uniform(0.5, 1.5) / speed for node, speed in zip(nodes, speeds, strict=True)}
        for task, cost in zip(tasks, cost_s, strict=True)
    }
    links = {
        source: {
            target: {"latency_s": draw.uniform(0.001, 0.02), "bandwidth_bytes_per_s": draw.uniform(5e5, 5e6)}
            for target in nodes
            if target != source and draw.random() >= missing_links_ratio
        }
        for source in nodes
    }
    return {"tasks": tasks, "nodes": nodes, "exec_s": exec_s, "edges": edges, "links": links}


def unrelated(task_count: int, node_count: int, ratio: float, seed: int) -> Form:
    """Any graph: times per task and node differ by half up or down, links by direction.

    `ratio` is the mean seconds of a transfer over the mean seconds of a task.
    """
    draw = random.Random(f"unrelated {task_count} {node_count} {ratio} {seed}")
    tasks, nodes = _names(task_count, node_count)
    cost_s = {task: draw.uniform(2.0, 18.0) for task in tasks}
    exec_s = {task: {node: cost_s[task] * draw.uniform(0.5, 1.5) for node in nodes} for task in tasks}
    return {
        "tasks": tasks,
        "nodes": nodes,
        "exec_s": exec_s,
        "edges": _edges(tasks, 0.4, draw, 10.0 * ratio),
        "links": _links(nodes, draw),
    }


def related(task_count: int, node_count: int, ratio: float, seed: int) -> tuple[Form, float]:
    """Layers on nodes that differ in speed only; and the period that no mapping can beat, Σ cost / Σ speed."""
    draw = random.Random(f"related {task_count} {node_count} {ratio} {seed}")
    form = layered(task_count, node_count, seed)
    nodes = form["nodes"]
    speeds = {node: draw.uniform(0.5, 2.0) for node in nodes}
    cost_s = {task: draw.uniform(2.0, 18.0) for task in form["tasks"]}
    form["exec_s"] = {task: {node: cost_s[task] / speeds[node] for node in nodes} for task in form["tasks"]}
    for edge in form["edges"]:
        edge["bytes"] = draw.uniform(0.0, 20.0 * ratio)
    form["links"] = _links(nodes, draw)
    return form, sum(cost_s.values()) / sum(speeds.values())


def _names(task_count: int, node_count: int) -> tuple[list[str], list[str]]:
    return [f"t{index}" for index in range(task_count)], [f"n{index}" for index in range(node_count)]


def _edges(tasks: list[str], density: float, draw: random.Random, mean_bytes: float) -> list[dict[str, Any]]:
    """Every pair with the same chance; a task that nothing leads to gets a parent, the first excepted."""
    edges = []
    for index in range(1, len(tasks)):
        parents = [parent for parent in range(index) if draw.random() < density] or [draw.randrange(index)]
        edges += [
            {"source": tasks[parent], "target": tasks[index], "bytes": draw.uniform(0.0, 2.0 * mean_bytes)}
            for parent in parents
        ]
    return edges


def _links(nodes: list[str], draw: random.Random) -> dict[str, dict[str, dict[str, float]]]:
    """A byte takes a second, or half as long, or half as long again."""
    return {
        source: {
            target: {"latency_s": 0.0, "bandwidth_bytes_per_s": 1.0 / draw.uniform(0.5, 1.5)}
            for target in nodes
            if target != source
        }
        for source in nodes
    }
