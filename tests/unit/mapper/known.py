"""Profiles and applications made up for tests: a chain of tasks on nodes of chosen speeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mapper.problem import Problem
from mapper.table import ProfileTable
from runtime import handling
from runtime.app import App
from runtime.graph import Task, TaskGraph
from runtime.profiles import ExecutionProfile, LinkEstimate, LinkRow, NodeProfile

NOW_S = 10_000.0
CHILDREN = (*"abcdefgh", "home")
"""Whom a task may send to: one item of 100 bytes for each that it gets."""
WAKE_S = handling.ROUNDS_PER_WAKE / 20e6
"""At a speed of 20."""


def chain(*names: str, name: str = "chained", **optional: Any) -> App:
    """home -> the tasks, one after the other -> home."""
    tasks = {
        task: Task(name=task, script=f"{task}.py", children=(child,))
        for task, child in zip(names, [*names[1:], "home"], strict=True)
    }
    return App(name=name, graph=TaskGraph(tasks, (names[0],)), digest="d", **optional)


def node(name: str, *, cores: float = 1.0, speed: float = 10.0, **optional: Any) -> NodeProfile:
    values: dict[str, Any] = {"memory_bytes": 1000, "memory_available_bytes": 900, "busy_cores": 0.0, "load_ratio": 0.0}
    values |= optional
    return NodeProfile(node=name, cores=cores, speed_score=speed, agent=f"agent-{name}", host="here", **values)


def link(latency_s: float = 1e-3, bandwidth_bytes_per_s: float = 1e6, **optional: Any) -> LinkEstimate:
    values: dict[str, Any] = {
        "bandwidth_low_bytes_per_s": bandwidth_bytes_per_s / 2,
        "bandwidth_high_bytes_per_s": bandwidth_bytes_per_s,
        "rtt_min_s": 2 * latency_s,
        "rtt_p90_s": 4 * latency_s,
        "samples": 9,
    }
    return LinkEstimate(latency_s=latency_s, bandwidth_bytes_per_s=bandwidth_bytes_per_s, **(values | optional))


def execution(task: str, where: str, median_s: float, *, app: str = "chained", **optional: Any) -> ExecutionProfile:
    values: dict[str, Any] = {"min_s": median_s, "spread_s": 0.0, "cold_s": 1.0, "cpu_s": median_s, "runs": 9}
    values |= {"input_bytes": 100.0, "output_bytes": dict.fromkeys(CHILDREN, 100.0)}
    values["outputs"] = dict.fromkeys(CHILDREN, 1.0)
    return ExecutionProfile(app=app, task=task, node=where, digest="d", median_s=median_s, **(values | optional))


def table(
    speeds: Mapping[str, float],
    seconds: Mapping[tuple[str, str], float],
    links: Mapping[str, Mapping[str, LinkEstimate]] | None = None,
    *,
    age_s: float = 0.0,
) -> ProfileTable:
    """Nodes by speed, seconds by (task, node), links by source and target (default: all of them, alike)."""
    found = ProfileTable()
    for name, speed in speeds.items():
        found.node(node(name, speed=speed), NOW_S)
    if links is None:
        links = {source: {target: link() for target in speeds if target != source} for source in speeds}
    for source, row in links.items():
        found.links(LinkRow(source=source, links=row), NOW_S - age_s)
    for (task, where), median_s in seconds.items():
        found.execution(execution(task, where, median_s), NOW_S - age_s)
    return found


def exec_s(problem: Problem, task: str, node: str) -> float:
    return float(problem.exec_s[problem.tasks.index(task), problem.nodes.index(node)])
