"""The evaluator: slots, insertion, transfers, the period and its bottleneck; and what `validate` must find."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mapper.heft import schedule as heft
from mapper.period import period
from mapper.problem import Problem, ProblemError
from mapper.schedule import Schedule, evaluate, validate
from mapper.timeline import Timeline
from tests.unit.mapper import problems


def test_a_transfer_delays_the_child_only_between_nodes() -> None:
    links = problems.full_links(("P1", "P2"), latency_s=0.5, bandwidth_bytes_per_s=4.0)
    rows = {"A": {"P1": 2, "P2": 2}, "B": {"P1": 3, "P2": 1}}
    problem = problems.problem(rows, [("A", "B", 10)], nodes=("P1", "P2"), links=links)
    apart = evaluate(problem, (0, 1))
    assert apart.start_s == (0.0, 2.0 + 0.5 + 2.5)
    assert apart.makespan_s == 6.0
    assert evaluate(problem, (0, 0)).makespan_s == 5.0


def test_links_are_directed() -> None:
    links = {"P1": {"P2": {"bandwidth_bytes_per_s": 1}}, "P2": {"P1": {"bandwidth_bytes_per_s": 5}}}
    rows = {"A": {"P1": 1, "P2": 1}, "B": {"P1": 1, "P2": 1}}
    problem = problems.problem(rows, [("A", "B", 10)], nodes=("P1", "P2"), links=links)
    assert evaluate(problem, (0, 1)).start_s[1] == 11.0
    assert evaluate(problem, (1, 0)).start_s[1] == 3.0


@pytest.mark.parametrize(("cores", "makespan_s"), [(0.5, 12.0), (1, 12.0), (2, 8.0), (2.9, 8.0), (3, 4.0), (1e9, 4.0)])
def test_a_node_runs_as_many_tasks_at_once_as_it_has_cores(cores: float, makespan_s: float) -> None:
    rows = {name: {"P1": 4} for name in "ABC"}
    problem = problems.problem(rows, nodes=("P1",), cores={"P1": cores})
    schedule = evaluate(problem, (0, 0, 0))
    assert schedule.makespan_s == makespan_s
    assert validate(problem, schedule) == []


def test_a_later_task_is_inserted_into_an_earlier_gap() -> None:
    rows = {"A": {"P1": 1}, "B": {"P2": 1}, "C": {"P1": 5, "P2": 5}, "D": {"P1": 3}}
    problem = problems.problem(rows, [("A", "B", 2), ("B", "C", 2)], nodes=("P1", "P2"))
    schedule = evaluate(problem, (0, 1, 0, 0), order=(0, 1, 2, 3))
    assert schedule.start_s[2] == 6.0
    assert schedule.start_s[3] == 1.0
    assert validate(problem, schedule) == []


def test_busy_time_and_release_are_respected() -> None:
    rows = {"A": {"P1": 2}, "B": {"P1": 2}}
    problem = problems.problem(rows, nodes=("P1",), busy={"P1": [[3, 4], [5.5, 8], [6, 7]]}, release_s=1)
    schedule = evaluate(problem, (0, 0))
    assert schedule.start_s == (1.0, 8.0)
    assert validate(problem, schedule) == []


def test_more_promised_work_than_cores_fills_the_node() -> None:
    timeline = Timeline(2, [(0, 10), (0, 3), (1, 20), (30, 31)])
    assert timeline.earliest(0.0, 5.0)[0] == 10.0
    assert timeline.earliest(0.0, 50.0)[0] == 20.0
    assert timeline.tail_s() == 20.0


def test_of_two_free_cores_the_one_used_last_is_taken() -> None:
    timeline = Timeline(2, [(0, 3), (0, 5)])
    start_s, slot = timeline.earliest(10.0, 1.0)
    assert start_s == 10.0
    assert timeline.intervals()[slot] == (0, 5)


def test_a_task_of_no_seconds_fits_between_two_others() -> None:
    timeline = Timeline(1, [(0, 5), (5, 9)])
    assert timeline.earliest(2.0, 0.0) == (5.0, 0)
    timeline.add(0, 5.0, 5.0)
    assert timeline.intervals() == [(0, 5), (5, 5), (5, 9)]
    assert timeline.earliest(0.0, 1.0) == (9.0, 0)


@pytest.mark.parametrize(
    ("assignment", "order", "message"),
    [
        ((0,), None, "mapping: 1 tasks are mapped, 2 are needed"),
        ((1, 0), None, "mapping.A: P2 cannot run it (exec_s.A.P2 is missing)"),
        ((0, 0), None, "mapping.B: it is pinned to P2, not P1"),
        ((0, 1), (1, 0), "order: B comes before its parent A"),
        ((0, 1), (0, 0), "order: it must hold every task exactly once"),
    ],
)
def test_an_impossible_mapping_is_refused_by_name(
    assignment: tuple[int, ...], order: tuple[int, ...] | None, message: str
) -> None:
    rows = {"A": {"P1": 1}, "B": {"P1": 1, "P2": 1}}
    problem = problems.problem(rows, [("A", "B", 1)], nodes=("P1", "P2"), pins={"B": "P2"})
    with pytest.raises(ProblemError) as caught:
        evaluate(problem, assignment, order)
    assert message in caught.value.messages


def test_a_mapping_along_a_missing_link_is_refused_by_name() -> None:
    rows = {"A": {"P1": 1, "P2": 1}, "B": {"P1": 1, "P2": 1}}
    problem = problems.problem(rows, [("A", "B", 0)], nodes=("P1", "P2"), links={})
    for check in (evaluate, period):
        with pytest.raises(ProblemError, match=r"mapping.B: A -> B needs the link P1 -> P2, which is missing"):
            check(problem, (0, 1))


def changed(schedule: Schedule, task: int, **values: Any) -> Schedule:
    fields = {}
    for name, value in values.items():
        column = list(getattr(schedule, name))
        column[task] = value
        fields[name] = tuple(column)
    return replace(schedule, **fields)


def test_validate_finds_each_kind_of_fault() -> None:
    problem = problems.topcuoglu2002()
    good = heft(problem)
    assert validate(problem, good) == []
    early = changed(good, 9, start_s=72.0, finish_s=79.0)
    assert validate(problem, early) == ["T9 -> T10: arrives at 68, after the start at 72"] or (
        "T8 -> T10: arrives at 73, after the start at 72" in validate(problem, early)
    )
    short = changed(good, 9, finish_s=79.0)
    assert validate(problem, short) == ["T10: runs from 73 to 79 instead of for 7"]
    overlap = changed(good, 4, start_s=27.0, finish_s=37.0)
    assert validate(problem, overlap) == ["T5: P3 has no free core of 1 at 27"]
    assert "mapping" in validate(problem, replace(good, assignment=(0,)))[0]


def test_validate_checks_release_busy_and_empty_tasks() -> None:
    problem = problems.problem({"A": {"P1": 2}, "B": {"P1": 0}}, release_s=3, busy={"P1": [[6, 8]]})
    good = Schedule(assignment=(0, 0), start_s=(3.0, 5.0), finish_s=(5.0, 5.0), order=(0, 1))
    assert validate(problem, good) == []
    assert validate(problem, changed(good, 0, start_s=1.0, finish_s=3.0)) == ["A: starts at 1, before the release at 3"]
    assert validate(problem, changed(good, 0, start_s=5.0, finish_s=7.0)) == ["busy: P1 has no free core of 1 at 6"]
    assert validate(problem, changed(good, 1, start_s=4.0, finish_s=4.0)) == ["B: P1 has no free core of 1 at 4"]


def streaming(**optional: Any) -> Problem:
    rows = {"A": {"P1": 2, "P2": 2}, "B": {"P1": 3, "P2": 5}}
    links = problems.full_links(("P1", "P2"), latency_s=100.0, bandwidth_bytes_per_s=4.0)
    return problems.problem(rows, [("A", "B", 10)], nodes=("P1", "P2"), links=links, **optional)


@pytest.mark.parametrize(
    ("optional", "assignment", "period_s", "bottleneck"),
    [
        ({}, (0, 0), 5.0, "node P1"),
        ({}, (0, 1), 5.0, "node P2"),
        ({}, (1, 0), 3.0, "node P1"),
        ({"cores": {"P1": 2}}, (0, 0), 3.0, "task B"),
        ({"cores": {"P1": 2}, "replicas": {"B": 2}}, (0, 0), 2.5, "node P1"),
        ({"cores": {"P1": 0.5}}, (0, 0), 10.0, "node P1"),
        ({"rates": {"A": 4}}, (1, 0), 10.0, "link P2 -> P1"),
        ({"rates": {"A": 4}, "cores": {"P2": 8}, "replicas": {"A": 8}}, (1, 0), 10.0, "link P2 -> P1"),
        ({"rates": {"B": 0}}, (1, 0), 2.5, "link P2 -> P1"),
    ],
)
def test_the_period_is_the_busiest_node_worker_or_link(
    optional: dict[str, Any], assignment: tuple[int, int], period_s: float, bottleneck: str
) -> None:
    found = period(streaming(**optional), assignment)
    assert found.period_s == period_s
    assert found.bottleneck == bottleneck


def test_an_edge_may_carry_its_own_rate() -> None:
    form = problems.form({"A": {"P1": 1}, "B": {"P2": 1}}, [("A", "B", 10)])
    form["edges"][0]["rate"] = 0.25
    assert period(Problem.from_form(form), (0, 1)).period_s == 2.5
