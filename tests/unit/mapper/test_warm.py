"""Mapping again from what is in force, hill climbing, and taking a few tasks out: never worse than before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper import neighbourhoods, warm
from mapper.climb import climb
from mapper.exact import PeriodSearch
from mapper.heft import schedule as heft
from mapper.period import period
from mapper.problem import Problem, ProblemError
from mapper.registry import judged
from mapper.result import OBJECTIVES, Asked, Objective
from mapper.schedule import evaluate, validate
from tests.unit.mapper import problems, strategies


def start_of(form: dict[str, Any]) -> tuple[Problem, tuple[int, ...]] | None:
    try:
        problem = Problem.from_form(form)
        return problem, heft(problem).assignment
    except ProblemError:
        return None


@settings(max_examples=100, deadline=None)
@given(form=strategies.forms(), objective=st.sampled_from(OBJECTIVES))
def test_mapping_again_is_never_worse(form: dict[str, Any], objective: Objective) -> None:
    found = start_of(form)
    if found is None:
        return
    problem, start = found
    plan = warm.solve(problem, Asked(objective=objective), start)
    assert validate(problem, plan.schedule) == []
    before, after = (
        judged(problem, "auto", objective, each).objective_s for each in (warm.as_it_is(problem, start), plan)
    )
    assert after <= before * (1 + 1e-9)


@settings(max_examples=100, deadline=None)
@given(form=strategies.forms(), moves=st.integers(0, 400))
def test_what_was_taken_out_is_put_back_no_worse(form: dict[str, Any], moves: int) -> None:
    found = start_of(form)
    if found is None:
        return
    problem, start = found
    better = neighbourhoods.improve(problem, start, moves, 0, lambda: False)
    assert period(problem, better).period_s <= period(problem, start).period_s * (1 + 1e-9)


@settings(max_examples=60, deadline=None)
@given(form=strategies.forms())
def test_climbing_is_never_later(form: dict[str, Any]) -> None:
    found = start_of(form)
    if found is None:
        return
    problem, start = found
    before = evaluate(problem, start)
    after = climb(problem, before, 500)
    assert validate(problem, after) == []
    assert after.makespan_s <= before.makespan_s


def test_what_is_impossible_now_is_said() -> None:
    problem = problems.topcuoglu2002()
    start = heft(problem).assignment
    exec_s = problem.exec_s.copy()
    exec_s[0, start[0]] = float("inf")
    with pytest.raises(ProblemError, match="T1: P3 cannot run it"):
        warm.solve(replace(problem, exec_s=exec_s), Asked(), start)


def test_the_busiest_tasks_are_those_of_the_bottleneck() -> None:
    problem = problems.topcuoglu2002()
    search = PeriodSearch(problem, heft(problem).assignment)
    assert period(problem, search.best).bottleneck == "link P3 -> P2"
    crossing = [
        {edge.source, edge.target}
        for edge in problem.edges
        if (search.best[edge.source], search.best[edge.target]) == (2, 1)
    ]
    assert search.busiest() == sorted(set().union(*crossing))


def test_out_of_steps_keeps_the_best_and_the_loads() -> None:
    problem = problems.arabnejad2014()
    search = PeriodSearch(problem, heft(problem).assignment)
    assert not search.improve(range(10), 3)
    assert search.improve(range(10), 10_000)
    assert period(problem, search.best).period_s == 65.0
