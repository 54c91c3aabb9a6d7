"""`jupiter map APP`: what comes out beside what is in force, like with like."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deploy.mapping import Known, explanation, foretold, in_force
from mapper import costs, registry
from mapper.period import period
from mapper.problem import Problem
from mapper.topology import SOURCE
from runtime.mapping import TaskMapping
from tests.unit.mapper import known
from tests.unit.mapper.known import NOW_S, chain
from tests.unit.mapper.test_waking import with_quotas

SHARES = {"node1": 0.9, "node2": 0.06}
APP = chain("a", "b", node_map={"node1": "there", "node2": "there"})
SLOW = {"a": "node2", "b": "node2"}


def about(mapping: dict[str, str]) -> Known:
    table = with_quotas(SHARES, 0.01)
    for name, share in SHARES.items():
        for task in "ab":
            table.execution(known.execution(task, name, 1e-4 / share, cpu_s=1e-4), NOW_S)
    stated = costs.state(APP, table, NOW_S)
    return Known(app=APP, stated=stated, mapping=TaskMapping(assignment=mapping, algorithm="heft"), epoch=1)


def test_what_comes_out_does_not_depend_on_the_mapping_in_force() -> None:
    """It was judged at the pace of the one in force: beside a slow one it looked slower than it would be."""
    slow = about(SLOW)
    found = foretold(slow, registry.solve(Problem.from_form(slow.form()), "auto"))
    placed = found.schedule.assignment
    assert found.period_s == period(slow.stated.settled(placed).problem, placed).period_s
    assert found.period_s < period(slow.problem, placed).period_s / 1.1
    own = {task: node for task, node in found.assignment.items() if task in SLOW}
    assert in_force(about(own))["period_s"] == found.period_s


def test_both_are_judged_under_the_same_circumstances() -> None:
    slow, changes = about(SLOW), ["node node2 slower=2", "task a@node1 seconds=1s"]
    found = foretold(slow, registry.solve(Problem.from_form(slow.form(changes)), "auto"), changes)
    assert in_force(slow, changes)["period_s"] == pytest.approx(2 * in_force(slow)["period_s"], rel=1e-6)
    assert found.assignment["a"] == "node2"
    gone = ["node node2 gone"]
    assert "impossible" in in_force(slow, gone)
    assert foretold(slow, registry.solve(Problem.from_form(slow.form(gone)), "auto"), gone).assignment["a"] == "node1"


def test_people_are_told_of_home_and_not_of_what_stands_for_it() -> None:
    where = about({"a": "node1", "b": "node1"})
    stated = replace(where.stated, own_s=where.stated.own_s.copy())
    stated.own_s[stated.problem.tasks.index(SOURCE)] *= 1e6
    told = replace(where, stated=stated)
    assert in_force(told)["bottleneck"] == explanation(told)["bottleneck"] == "node home"
    assert SOURCE not in str(explanation(told))
