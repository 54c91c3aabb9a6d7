"""What workers spend on beginning again: by how far apart items come, by the quota, and by the mapping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from mapper import costs
from mapper.period import period
from mapper.table import ProfileTable
from runtime import handling
from runtime.graph import TaskGraph
from tests.unit.mapper import known
from tests.unit.mapper.known import NOW_S, WAKE_S, chain, exec_s


def test_the_further_apart_items_come_the_more_often_a_worker_wakes_for_one_alone() -> None:
    for task_s, objective, expected_s in (
        (1.0, "period", WAKE_S),
        (4e-3, "period", WAKE_S * handling.WAKES_PER_S * 8e-3),
        (1e-6, "makespan", WAKE_S),
    ):
        app = chain("a", "b", objective=objective)
        seconds = {("a", "home"): task_s, ("b", "home"): task_s}
        problem = costs.state(app, known.table({"home": 20.0}, seconds), NOW_S).problem
        rest_s = handling.rounds_s(handling.rounds(app, known.execution("a", "home", task_s)), 20.0)
        assert exec_s(problem, "a", "home") == pytest.approx(task_s + rest_s + expected_s, rel=1e-3)


def test_nodes_that_share_the_work_make_items_come_sooner() -> None:
    seconds = {(task, node): 4e-3 for task in "ab" for node in ("home", "node1")}
    alone, shared = (
        exec_s(costs.state(chain("a", "b"), known.table(speeds, seconds), NOW_S).problem, "a", "home")
        for speeds in ({"home": 20.0}, {"home": 20.0, "node1": 20.0})
    )
    assert alone - shared == pytest.approx(WAKE_S * handling.WAKES_PER_S * 4e-3, rel=0.02)


def test_replicas_of_a_slow_task_let_items_come_sooner() -> None:
    def waking_s(replicas: int) -> float:
        app = chain("a", "b")
        graph = TaskGraph({**app.graph.tasks, "a": replace(app.graph.tasks["a"], replicas=replicas)}, app.graph.entries)
        seconds = {("a", "home"): 8e-3, ("b", "home"): 1e-6}
        table = known.table({"home": 20.0}, seconds)
        table.node(known.node("home", cores=4.0, speed=20.0), NOW_S)
        stated = costs.state(replace(app, graph=graph), table, NOW_S)
        return float(stated.problem.exec_s[-1, 0] - stated.own_s[-1, 0])

    assert waking_s(1) == pytest.approx(4 * waking_s(4), rel=0.05)


def with_quotas(shares: Mapping[str, float], period_s: float) -> ProfileTable:
    """Home and nodes like it with a share of its speed."""
    table = known.table(dict.fromkeys(("home", *shares), 20.0), {})
    for name, share in shares.items():
        table.node(known.node(name, cores=share, speed=20.0 * share, quota_period_s=period_s), NOW_S)
    return table


def test_who_gets_a_quota_anew_begins_anew() -> None:
    def waking_s(period_s: float) -> float:
        table = with_quotas({"node1": 0.2}, period_s)
        table.execution(known.execution("a", "node1", 4e-3, cpu_s=8e-4), NOW_S)
        stated = costs.state(chain("a", node_map={"node1": "there"}), table, NOW_S)
        return float(stated.problem.exec_s[-1, -1] - stated.own_s[-1, -1])

    assert waking_s(0.0) < waking_s(0.02) < waking_s(0.01) == pytest.approx(2 * waking_s(0.02))
    assert waking_s(1e-300) == pytest.approx(WAKE_S * 5)


def test_a_mapping_foretells_what_waking_takes_at_its_own_pace() -> None:
    shares = {"node1": 0.9, "node2": 0.06}
    table = with_quotas(shares, 0.01)
    for name, share in shares.items():
        for task in "ab":
            table.execution(known.execution(task, name, 1e-4 / share, cpu_s=1e-4), NOW_S)
    app = chain("a", "b", node_map={"node1": "there", "node2": "there"})
    stated = costs.state(app, table, NOW_S)
    settled = stated.settled([0, 0, 2, 2]).problem
    found = period(settled, [0, 0, 2, 2]).period_s
    # All that the two workers have of node2 is what is left when both have begun anew in each of its periods.
    left_cores = 0.06 - 2 * WAKE_S / 0.01
    assert found == pytest.approx(0.06 * stated.own_s[2:, 2].sum() / left_cores, rel=0.01)
    assert found > 1.2 * period(stated.problem, [0, 0, 2, 2]).period_s


def test_where_beginning_anew_would_take_more_than_there_is_every_item_comes_alone() -> None:
    table = with_quotas({"node1": 0.01}, 0.01)
    table.execution(known.execution("a", "node1", 1e-2, cpu_s=1e-4), NOW_S)
    stated = costs.state(chain("a", node_map={"node1": "there"}), table, NOW_S)
    settled = stated.settled([0, 0, 1]).problem
    assert settled.exec_s[2, 1] - stated.own_s[2, 1] == pytest.approx(100 * WAKE_S)


def test_items_that_come_many_for_an_input_come_together() -> None:
    def waking_s(outputs: float) -> float:
        table = known.table({"home": 20.0}, {})
        table.execution(known.execution("a", "home", 1e-3, outputs={"b": outputs}), NOW_S)
        table.execution(known.execution("b", "home", 1e-6, outputs={"home": 1.0}), NOW_S)
        stated = costs.state(chain("a", "b"), table, NOW_S).settled([0, 0, 0, 0])
        per_item_s = stated.problem.exec_s[-1, 0] - stated.own_s[-1, 0]
        return float(per_item_s) / period(stated.problem, [0, 0, 0, 0]).period_s

    assert waking_s(1.0) == pytest.approx(10 * waking_s(10.0), rel=0.01)
