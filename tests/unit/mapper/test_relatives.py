"""The relatives of HEFT against their papers, and what each is for."""

from __future__ import annotations

import numpy as np
import pytest

from mapper import cpop, heft_balanced, heft_duplicate, heft_lookahead, peft
from mapper.problem import Problem
from mapper.registry import solve
from mapper.schedule import Schedule
from runtime.mapper_options import MapperOptions
from tests.unit.mapper import problems


def counts(problem: Problem, schedule: Schedule) -> list[int]:
    return np.bincount(schedule.assignment, minlength=len(problem.nodes)).tolist()


def test_cpop_topcuoglu_2002() -> None:
    problem = problems.topcuoglu2002()
    path = cpop.critical_path(problem, cpop.priorities(problem))
    assert [problem.tasks[task] for task in path] == ["T1", "T2", "T9", "T10"]
    assert problem.nodes[cpop.critical_node(problem, path)] == "P2"
    assert cpop.schedule(problem).makespan_s == 86.0


def test_cpop_does_not_take_a_node_for_critical_because_the_ends_are_pinned_to_it() -> None:
    rows = {"in": {"home": 0}, "work": {"home": 9, "fast": 1}, "out": {"home": 0}}
    edges = [("in", "work", 1), ("work", "out", 1)]
    problem = problems.problem(rows, edges, nodes=("home", "fast"), pins={"in": "home", "out": "home"})
    assert cpop.schedule(problem).assignment == (0, 1, 0)


def test_peft_arabnejad_2014() -> None:
    problem = problems.arabnejad2014()
    schedule = peft.schedule(problem)
    assert schedule.makespan_s == 122.0
    costs_s = peft.optimistic_costs_s(problem)
    assert costs_s[0].tolist() == [64, 68, 86]
    assert peft.rank(problem, costs_s)[:4] == pytest.approx((72.667, 41, 37, 43.667), abs=1e-3)
    order = [problem.tasks[task] for task in schedule.order]
    assert order == ["T1", "T4", "T6", "T2", "T3", "T5", "T8", "T7", "T9", "T10"]


@pytest.mark.parametrize(
    ("problem", "makespan_s"), [(problems.topcuoglu2002(), 76.0), (problems.arabnejad2014(), 127.0)]
)
def test_lookahead(problem: Problem, makespan_s: float) -> None:
    assert heft_lookahead.schedule(problem).makespan_s == makespan_s


def test_lookahead_sees_a_pinned_sink() -> None:
    rows = {"work": {"home": 4, "fast": 1}, "out": {"home": 0}}
    problem = problems.problem(rows, [("work", "out", 50)], nodes=("home", "fast"), pins={"out": "home"})
    assert heft_lookahead.schedule(problem).assignment == (0, 0)
    assert solve(problem, "heft", "makespan").makespan_s == 51.0


@pytest.mark.parametrize(
    ("problem", "tasks_per_node"),
    [(problems.topcuoglu2002(), [2, 4, 4]), (problems.arabnejad2014(), [3, 4, 3])],
)
def test_balanced_keeps_its_cap(problem: Problem, tasks_per_node: list[int]) -> None:
    assert heft_balanced.cap_and_room(problem) == (4, (4, 4, 4))
    assert counts(problem, heft_balanced.schedule(problem)) == tasks_per_node


def test_duplicate_says_that_it_is_heft() -> None:
    for problem in (problems.topcuoglu2002(), problems.arabnejad2014()):
        result = solve(problem, "heft_duplicate")
        assert result.schedule == solve(problem, "heft").schedule
        assert result.algorithm == "heft_duplicate"
        assert result.why == heft_duplicate.WHY == "equals heft: the dispatcher runs no copies of a task"


def test_a_configured_cap_is_kept_unless_the_tasks_would_not_fit() -> None:
    problem = problems.topcuoglu2002()
    for configured, cap in ((1, 4), (4, 4), (6, 6)):
        options = MapperOptions(tasks_per_node=configured)
        result = solve(problem, "heft_balanced", options=options)
        assert max(counts(problem, result.schedule)) <= cap
        assert f"at most {cap} tasks" in result.why


def test_balanced_spreads_what_heft_piles_up() -> None:
    rows = {f"T{index}": {"P1": 1, "P2": 90, "P3": 90} for index in range(6)}
    problem = problems.problem(rows)
    assert counts(problem, solve(problem, "heft").schedule) == [6, 0, 0]
    assert counts(problem, heft_balanced.schedule(problem)) == [2, 2, 2]


def test_pinned_tasks_count_against_the_cap() -> None:
    rows = {f"T{index}": {"P1": 1, "P2": 9, "P3": 9} for index in range(5)}
    problem = problems.problem(rows, pins={"T0": "P1", "T1": "P1"})
    cap, room = heft_balanced.cap_and_room(problem)
    assert (cap, room) == (2, (0, 2, 2))
    assert counts(problem, heft_balanced.schedule(problem)) == [2, 2, 1] or counts(
        problem, heft_balanced.schedule(problem)
    ) == [2, 1, 2]


def test_a_cap_that_some_task_cannot_keep_gives_way() -> None:
    rows = {f"T{index}": {"P1": 1, "P2": 1} for index in range(6)} | {"U": {"P3": 1, "P1": 1}}
    problem = problems.problem(rows)
    assert sum(counts(problem, heft_balanced.schedule(problem))) == 7


def test_balanced_says_where_its_cap_is_not_kept() -> None:
    rows = {"T0": {"P1": 1}, "T1": {"P1": 1}, "T2": {"P1": 1}, "T3": {"P1": 1, "P2": 5}}
    result = solve(problems.problem(rows), "heft_balanced")
    assert counts(problems.problem(rows), result.schedule)[:2] == [3, 1]
    assert result.why == "HEFT with at most 2 tasks per node, but P1 has 3: they find no room elsewhere"
