"""What the mapper knows of nodes: who is there, and where a task cannot run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mapper import costs
from mapper.table import NODE_LEASE_S, ProfileTable
from runtime.app import App
from runtime.errors import UsageError
from runtime.graph import Task, TaskGraph
from runtime.profiles import ExecutionProfile, NodeProfile

APP = App(name="app", graph=TaskGraph({"a": Task(name="a", script="a.py", children=("home",))}, ("a",)), digest="d")
PERIOD_S = 2.0


def profile(node: str) -> NodeProfile:
    return NodeProfile(
        node=node,
        cores=1.0,
        memory_bytes=1,
        memory_available_bytes=1,
        busy_cores=0.0,
        load_ratio=0.0,
        speed_score=1.0,
        agent=f"agent-{node}",
        host=node,
    )


def execution(node: str) -> ExecutionProfile:
    return ExecutionProfile(
        app="app", task="a", node=node, digest="d", median_s=1.0, min_s=1.0, spread_s=0.0, cold_s=0.0, cpu_s=1.0, runs=3
    )


def table(*nodes: str) -> ProfileTable:
    made = ProfileTable()
    for node in nodes:
        made.node(profile(node), 0.0)
    return made


def test_a_node_that_is_silent_while_others_are_heard_is_gone() -> None:
    known = table("home", "node1")
    now_s = 0.0
    while now_s <= NODE_LEASE_S:
        now_s += PERIOD_S
        known.node(profile("home"), now_s)
    assert known.alive(now_s) == ("home",)


def test_a_node_that_says_so_is_gone_at_once() -> None:
    known = table("home", "node1")
    known.node(replace(profile("node1"), gone=True), 1.0)
    assert known.alive(1.0) == ("home",)


def test_nobody_is_gone_because_the_mapper_was_cut_off() -> None:
    """Server or network away for a minute: the first node heard again had been given every task."""
    known = table("home", "node1", "node2")
    assert known.alive(60.0) == ("home", "node1", "node2")
    known.node(profile("node1"), 60.0)
    assert known.alive(60.5) == ("home", "node1", "node2")
    for now_s in (62.0, 64.0, 66.5):
        known.node(profile("node1"), now_s)
    assert known.alive(66.5) == ("node1",)


def test_a_task_that_runs_nowhere_is_named_with_the_reasons() -> None:
    known = table("home", "node1", "node2")
    known.failed("app", "a", "home", "d", "raised RuntimeError: no camera")
    known.failed("app", "a", "node1", "an older one", "raised SyntaxError")
    known.failed("app", "a", "node2", "d", "not measured: no sample")
    with pytest.raises(UsageError) as caught:
        costs.build(APP, known, 1.0)
    assert str(caught.value) == (
        "task a can run on no node: on home it raised RuntimeError: no camera; on node1 it was not measured; "
        "on node2 it was not measured: no sample"
    )
    assert known.missing(APP, 1.0).executions == (("a", "node1"),)
    known.execution(execution("home"), 1.0)
    assert costs.build(APP, known, 1.0).tasks[-1] == "a"
