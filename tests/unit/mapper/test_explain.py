"""Why a task is where it is: against the mapping evaluated anew with that task moved."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mapper.explain import explain
from mapper.heft import schedule as heft
from mapper.period import period
from mapper.problem import Problem, ProblemError
from mapper.registry import solve
from mapper.result import OBJECTIVES, Objective
from mapper.schedule import evaluate
from tests.unit.mapper import problems, strategies


def stated(form: dict[str, Any]) -> Problem:
    try:
        return Problem.from_form(form)
    except ProblemError:
        assume(False)
        raise


@given(
    st.one_of(strategies.forms().map(stated), st.just(problems.topcuoglu2002())),
    st.sampled_from(OBJECTIVES),
)
@settings(deadline=None)
def test_every_candidate_is_the_mapping_with_that_task_moved(problem: Problem, objective: Objective) -> None:
    try:
        assignment = heft(problem).assignment
    except ProblemError:
        assume(False)
    found = explain(problem, assignment, objective)
    for task, reason in enumerate(found.reasons):
        assert reason.node == problem.nodes[assignment[task]]
        assert {each.node for each in reason.candidates} == set(problem.nodes)
        costs = [each.objective_s(objective) for each in reason.candidates if not each.why_not]
        assert costs == sorted(costs)
        for candidate in reason.candidates:
            moved = list(assignment)
            moved[task] = problem.nodes.index(candidate.node)
            if candidate.why_not:
                with pytest.raises(ProblemError):
                    evaluate(problem, moved)
                continue
            schedule, steady = evaluate(problem, moved), period(problem, moved)
            assert candidate.makespan_s == schedule.makespan_s
            assert candidate.finish_s == schedule.finish_s[task]
            assert candidate.period_s == steady.period_s
            assert candidate.load_s == steady.node_s[moved[task]]


def test_of_the_best_mapping_no_task_would_gain_elsewhere() -> None:
    problem = problems.topcuoglu2002()
    best = solve(problem, "optimal").schedule.assignment
    found = explain(problem, best, "period")
    assert all(reason.second_costs_s is not None and reason.second_costs_s >= 0 for reason in found.reasons)


def test_the_bottleneck_is_taken_apart() -> None:
    problem = problems.topcuoglu2002()
    found = explain(problem, heft(problem).assignment, "period")
    assert found.period.bottleneck == "link P3 -> P2"
    assert sum(seconds for _, seconds in found.bottleneck_parts) == found.period.period_s
    assert found.bottleneck_parts[0] == ("T7 -> T10", 17.0)
    busy = explain(problems.arabnejad2014(), heft(problems.arabnejad2014()).assignment, "period")
    assert busy.period.bottleneck == "node P2"
    assert sum(seconds for _, seconds in busy.bottleneck_parts) == 100.0


def test_what_is_impossible_says_why_and_comes_last() -> None:
    rows = {"a": {"P1": 1.0, "P2": 2.0}, "b": {"P1": 1.0}}
    links = {"P1": {"P3": {"bandwidth_bytes_per_s": 1}}}
    problem = problems.problem(rows, [("a", "b", 1)], links=links)
    reason = explain(problem, (0, 0), "period").reasons[0]
    assert [each.node for each in reason.candidates] == ["P1", "P2", "P3"]
    assert reason.candidates[1].why_not == "a -> b needs the link P2 -> P1, which is missing"
    assert reason.candidates[2].why_not.startswith("P3 cannot run it")
    assert reason.second is None and reason.second_costs_s is None
