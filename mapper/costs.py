"""From profiles to a mapping problem, and from its solution back to tasks. Pure.

`home` is in the problem: a pinned source and a pinned sink that cost nothing, so that bringing inputs in and
results out counts. What was not measured is absent: a pair cannot run, a pair of nodes has no path.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean
from typing import TypeVar

import numpy as np

from mapper.problem import Edge, Problem
from mapper.table import ProfileTable
from runtime.app import App
from runtime.errors import UsageError
from runtime.network import HOME

SOURCE, SINK = "(ingress)", "(egress)"
"""Names that no task can have."""
REASONS = 3
"""How many nodes an error speaks of."""


def build(app: App, table: ProfileTable, now_s: float) -> Problem:
    """The problem of one application as profiles know it now; raises UsageError when it cannot be stated."""
    candidates = table.candidates(app, now_s)
    if not candidates:
        raise UsageError(f"{app.name}: no node is there that its tasks may run on")
    for task in app.graph.order:
        if not any(table.execution_of(app, task, node) for node in candidates):
            raise UsageError(f"task {task} can run on no node: {_reasons(app, table, task, candidates)}")
    has_home = HOME in table.alive(now_s)
    nodes = candidates if HOME in candidates or not has_home else (HOME, *candidates)
    tasks = (*((SOURCE, SINK) if has_home else ()), *app.graph.order)
    latency_s, inverse = _links(nodes, table)
    rates = _rates(app, table, nodes)
    return Problem(
        tasks=tasks,
        nodes=nodes,
        exec_s=_seconds(app, table, tasks, nodes, candidates),
        edges=_edges(app, table, tasks, nodes, rates),
        latency_s=latency_s,
        inverse_bandwidth_s_per_byte=inverse,
        pins={task.name: task.pin for task in app.graph.tasks.values() if task.pin is not None},
        # Seconds were measured under the node's quota: a share of a core is a slow core, not a part of one.
        cores=tuple(max(1.0, table.profile_of(node).cores) for node in nodes),
        replicas=tuple(app.graph.tasks[task].replicas if task in app.graph.tasks else 1 for task in tasks),
        rates=tuple(rates.get(task, 1.0) for task in tasks),
    )


def _reasons(app: App, table: ProfileTable, task: str, nodes: tuple[str, ...]) -> str:
    failures = table.failures(app, task, nodes)
    said = [f"on {node} it {failures.get(node) or 'was not measured'}" for node in nodes[:REASONS]]
    return "; ".join(said) + (f"; and so on for {len(nodes) - REASONS} more" if len(nodes) > REASONS else "")


Value = TypeVar("Value")


def without_home(by_task: Mapping[str, Value]) -> dict[str, Value]:
    """What a solution says of its tasks, without the source and sink that stand for `home`."""
    return {task: value for task, value in by_task.items() if task not in (SOURCE, SINK)}


def _seconds(
    app: App, table: ProfileTable, tasks: tuple[str, ...], nodes: tuple[str, ...], candidates: tuple[str, ...]
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    seconds = np.full((len(tasks), len(nodes)), np.inf)
    for row, task in enumerate(tasks):
        for column, node in enumerate(nodes):
            if task in (SOURCE, SINK):
                seconds[row, column] = 0.0 if node == HOME else np.inf
            elif node in candidates and (profile := table.execution_of(app, task, node)) is not None:
                seconds[row, column] = profile.median_s
    return seconds


def _links(
    nodes: tuple[str, ...], table: ProfileTable
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float64]], np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    latency_s = np.full((len(nodes), len(nodes)), np.inf)
    inverse = latency_s.copy()
    np.fill_diagonal(latency_s, 0.0)
    np.fill_diagonal(inverse, 0.0)
    for row, source in enumerate(nodes):
        for column, target in enumerate(nodes):
            link = table.link_between(source, target)
            if row != column and link is not None and link.state != "down":
                latency_s[row, column] = link.latency_s
                inverse[row, column] = 1.0 / link.bandwidth_bytes_per_s
    return latency_s, inverse


def _rates(app: App, table: ProfileTable, nodes: tuple[str, ...]) -> dict[str, float]:
    """Items of each task per root input: parts that meet in a join are one item, others add up."""
    rates: dict[str, float] = {}
    for task in app.graph.order:
        arriving = [
            1.0 if parent == HOME else rates[parent] * _per_item(app, table, nodes, parent, task, "outputs", 1.0)
            for parent in app.graph.parents(task)
        ]
        rates[task] = max(arriving) if app.graph.is_join(task) else sum(arriving)
    return rates


def _per_item(
    app: App, table: ProfileTable, nodes: tuple[str, ...], task: str, child: str, what: str, default: float
) -> float:
    """The mean over the nodes that measured it: what a task sends does not depend on where it runs."""
    profiles = [table.execution_of(app, task, node) for node in nodes]
    found = [getattr(profile, what).get(child, 0.0) for profile in profiles if profile is not None]
    return mean(found) if found else default


def _edges(
    app: App, table: ProfileTable, tasks: tuple[str, ...], nodes: tuple[str, ...], rates: dict[str, float]
) -> tuple[Edge, ...]:
    index = {task: number for number, task in enumerate(tasks)}
    edges = []
    for source, target in app.graph.edges():
        start = index.get(SOURCE if source == HOME else source)
        end = index.get(SINK if target == HOME else target)
        if start is None or end is None:
            continue
        if source == HOME:
            size, rate = _input_bytes(app, table, nodes, target), 1.0
        else:
            size = _per_item(app, table, nodes, source, target, "output_bytes", 0.0)
            rate = rates[source]
        edges.append(Edge(source=start, target=end, size_bytes=size, rate=rate))
    return tuple(edges)


def _input_bytes(app: App, table: ProfileTable, nodes: tuple[str, ...], task: str) -> float:
    found = [profile.input_bytes for node in nodes if (profile := table.execution_of(app, task, node)) is not None]
    return mean(found) if found else 0.0
