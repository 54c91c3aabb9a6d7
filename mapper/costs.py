"""From profiles to a mapping problem, and from its solution back to tasks. Pure.

`home` is in the problem: a pinned source and a pinned sink, so that bringing inputs in and results out counts. What
nodes are believed to take is `mapper.estimates` and `mapper.waking`; what other applications use of them is taken off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from mapper import estimates, waking
from mapper.estimates import Cost, LinkCost
from mapper.problem import Edge, FloatArray, NodeLoad, Problem
from mapper.table import ProfileTable
from mapper.topology import SINK, SOURCE
from mapper.usage import left_cores
from mapper.waking import Waking
from runtime import handling
from runtime.app import App
from runtime.errors import UsageError
from runtime.network import HOME
from runtime.profiles import NodeProfile

NOTHING_USED: Mapping[str, float] = MappingProxyType({})
REASONS = 3
"""How many nodes an error speaks of."""


@dataclass(frozen=True, slots=True)
class Stated:
    """A problem, and what in it was not simply measured: `count@node2` or `node1>node2` to `derived`, `stale`, …"""

    problem: Problem
    uncertain: Mapping[str, str]
    own_s: FloatArray
    """[task, node] `problem.exec_s` without waking."""
    waking: Waking
    is_stream: bool

    def settled(self, assignment: Sequence[int]) -> Stated:
        """The same at the pace that items have under a mapping: what that one foretells."""
        if not self.is_stream:
            return self
        return replace(self, problem=waking.settled(self.problem, self.own_s, self.waking, assignment))

    def uncertain_in(self, assignment: Mapping[str, str]) -> dict[str, str]:
        """The part that a mapping rests on."""
        edges = {(self.problem.tasks[edge.source], self.problem.tasks[edge.target]) for edge in self.problem.edges}
        used = {f"{task}@{node}" for task, node in assignment.items()}
        ends = [(assignment.get(source, HOME), assignment.get(target, HOME)) for source, target in edges]
        used |= {f"{source}>{target}" for source, target in ends}
        return {name: source for name, source in self.uncertain.items() if name in used}

    def to_form(self) -> dict[str, Any]:
        """The problem form, with the marks under a key that readers of problems leave alone."""
        return {**self.problem.to_form(), "uncertain": dict(self.uncertain)}


def state(app: App, table: ProfileTable, now_s: float, used_cores: Mapping[str, float] = NOTHING_USED) -> Stated:
    """The problem of one application as profiles know it now; raises UsageError when it cannot be stated.

    `used_cores` is what other applications use of each node.
    """
    candidates = table.candidates(app, now_s)
    if not candidates:
        raise UsageError(f"{app.name}: no node is there that its tasks may run on")
    is_stream = app.objective != "makespan"
    found = estimates.executions(app, table, candidates, now_s, is_stream=is_stream)
    for task in app.graph.order:
        if not any((task, node) in found for node in candidates):
            raise UsageError(f"task {task} can run on no node: {_reasons(app, table, task, candidates)}")
    has_home = HOME in table.alive(now_s)
    nodes = candidates if HOME in candidates or not has_home else (HOME, *candidates)
    tasks = (*((SOURCE, SINK) if has_home else ()), *app.graph.order)
    links = estimates.links(nodes, table, now_s)
    latency_s, inverse = _links(nodes, links)
    rates = _rates(app, table, nodes)
    # Seconds were measured under the node's quota: a share of a core is a slow core, not a part of one.
    cores = {node: max(1.0, table.profile_of(node).cores) for node in nodes}
    own_s = _seconds(tasks, nodes, found, _home_s(table) if has_home else 0.0)
    items = [rates.get(task, 1.0) / _replicas(app, task) for task in tasks]
    beginning = waking.of_nodes(table, nodes, items, [task in app.graph.tasks for task in tasks])
    pace_s = _pace_s(app, found, rates, {node: cores[node] for node in candidates}) if is_stream else math.inf
    problem = Problem(
        tasks=tasks,
        nodes=nodes,
        exec_s=own_s + beginning.per_item_s(pace_s),
        edges=_edges(app, table, tasks, nodes, rates),
        latency_s=latency_s,
        inverse_bandwidth_s_per_byte=inverse,
        pins={task.name: task.pin for task in app.graph.tasks.values() if task.pin is not None},
        cores=tuple(left_cores(cores[node], used_cores.get(node, 0.0)) for node in nodes),
        replicas=tuple(_replicas(app, task) for task in tasks),
        rates=tuple(rates.get(task, 1.0) for task in tasks),
        load=tuple(_load(table.profile_of(node), cores[node], used_cores.get(node, 0.0)) for node in nodes),
    )
    uncertain = {f"{task}@{node}": cost.source for (task, node), cost in found.items()}
    uncertain |= {f"{source}>{target}": link.source for (source, target), link in links.items()}
    uncertain = {name: source for name, source in uncertain.items() if source not in estimates.CERTAIN}
    return Stated(problem, uncertain, own_s, beginning, is_stream)


def build(app: App, table: ProfileTable, now_s: float) -> Problem:
    """The problem alone, for one application that has the nodes to itself."""
    return state(app, table, now_s).problem


def _home_s(table: ProfileTable) -> float:
    home = table.profile_of(HOME)
    return handling.home_s(home.speed_score, home.cores)


def _replicas(app: App, task: str) -> int:
    return app.graph.tasks[task].replicas if task in app.graph.tasks else 1


def _pace_s(
    app: App, found: Mapping[tuple[str, str], Cost], rates: Mapping[str, float], cores: Mapping[str, float]
) -> float:
    """About how far apart root inputs will be."""
    by_task: dict[str, dict[str, float]] = {}
    for (task, node), cost in found.items():
        by_task.setdefault(task, {})[node] = cost.seconds * rates[task]
    return waking.pace_s(by_task, cores, {task: _replicas(app, task) for task in by_task})


def _load(profile: NodeProfile, cores: float, used_cores: float) -> NodeLoad:
    memory_ratio = 1.0 - profile.memory_available_bytes / profile.memory_bytes if profile.memory_bytes > 0 else 0.0
    return NodeLoad(
        busy_cores_ratio=min(1.0, max(0.0, used_cores / cores)), memory_ratio=min(1.0, max(0.0, memory_ratio))
    )


def _reasons(app: App, table: ProfileTable, task: str, nodes: tuple[str, ...]) -> str:
    failures = table.failures(app, task, nodes)
    alike: dict[str, list[str]] = {}
    for node in nodes[:REASONS]:
        alike.setdefault(_verb(failures.get(node, "not measured")), []).append(node)
    said = [f"on {', '.join(found)} it {why}" for why, found in alike.items()]
    return "; ".join(said) + (f"; and so on for {len(nodes) - REASONS} more" if len(nodes) > REASONS else "")


def _verb(why: str) -> str:
    return f"was {why}" if why.startswith("not ") else why


Value = TypeVar("Value")


def without_home(by_task: Mapping[str, Value]) -> dict[str, Value]:
    """What a solution says of its tasks, without the source and sink that stand for `home`."""
    return {task: value for task, value in by_task.items() if task not in (SOURCE, SINK)}


def plain(text: str) -> str:
    """What is said of a problem, for people: they know `home`, not the source and sink that stand for it."""
    return text.replace(SOURCE, HOME).replace(SINK, HOME)


def _seconds(
    tasks: tuple[str, ...], nodes: tuple[str, ...], found: Mapping[tuple[str, str], Cost], home_s: float
) -> FloatArray:
    seconds = np.full((len(tasks), len(nodes)), np.inf)
    for row, task in enumerate(tasks):
        for column, node in enumerate(nodes):
            if task in (SOURCE, SINK):
                seconds[row, column] = np.inf if node != HOME else home_s if task == SOURCE else 0.0
            elif (task, node) in found:
                seconds[row, column] = found[task, node].seconds
    return seconds


def _links(nodes: tuple[str, ...], found: Mapping[tuple[str, str], LinkCost]) -> tuple[FloatArray, FloatArray]:
    latency_s = np.full((len(nodes), len(nodes)), np.inf)
    inverse = latency_s.copy()
    np.fill_diagonal(latency_s, 0.0)
    np.fill_diagonal(inverse, 0.0)
    index = {node: number for number, node in enumerate(nodes)}
    for (source, target), link in found.items():
        latency_s[index[source], index[target]] = link.latency_s
        inverse[index[source], index[target]] = link.inverse_bandwidth_s_per_byte
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
