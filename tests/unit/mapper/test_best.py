"""The mappers that search: against published optima, and against trying everything."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper import exact, exact_makespan, throughput
from mapper.heft import schedule as heft
from mapper.loads import Loads
from mapper.optimal import TooLargeError
from mapper.period import period
from mapper.problem import Problem, ProblemError
from mapper.ranks import TIE_RATIO
from mapper.registry import MAPPERS, again, solve
from mapper.result import OBJECTIVES, Objective
from mapper.schedule import evaluate, validate
from tests.unit.mapper import problems, strategies


@pytest.mark.parametrize(
    ("problem", "makespan_s", "period_s"),
    [(problems.topcuoglu2002(), 73.0, 39.0), (problems.arabnejad2014(), 113.0, 65.0)],
)
def test_optima_of_the_published_problems(problem: Problem, makespan_s: float, period_s: float) -> None:
    quickest = solve(problem, "optimal", "makespan")
    assert quickest.makespan_s == makespan_s
    assert validate(problem, quickest.schedule) == []
    assert quickest.why == "no mapping is better"
    assert solve(problem, "optimal", "period").period_s == period_s
    assert solve(problem, "throughput").period_s == period_s


def every_mapping(problem: Problem) -> list[tuple[int, ...]]:
    return [
        assignment
        for assignment in itertools.product(*(row.nonzero()[0].tolist() for row in problem.allowed))
        if all(problem.linked[assignment[edge.source], assignment[edge.target]] for edge in problem.edges)
    ]


def topological_orders(problem: Problem) -> list[tuple[int, ...]]:
    parents = [{problem.edges[e].source for e in edges} for edges in problem.incoming]
    return [
        order
        for order in itertools.permutations(range(len(problem.tasks)))
        if all(parents[task] <= set(order[:place]) for place, task in enumerate(order))
    ]


@settings(max_examples=50, deadline=None)
@given(strategies.forms(max_tasks=5, max_nodes=3))
def test_the_least_period_is_that_of_trying_everything(form: dict[str, Any]) -> None:
    try:
        problem = Problem.from_form(form)
        start = heft(problem).assignment
    except ProblemError:
        return
    least_s = min(period(problem, assignment).period_s for assignment in every_mapping(problem))
    best, is_proven = exact.best_period(problem, start, 10_000)
    assert is_proven
    assert period(problem, best).period_s == pytest.approx(least_s, rel=1e-8)
    assert solve(problem, "throughput").period_s == pytest.approx(least_s, rel=1e-8)


@settings(max_examples=40, deadline=None)
@given(strategies.forms(max_tasks=4, max_nodes=3))
def test_the_least_makespan_is_that_of_trying_everything(form: dict[str, Any]) -> None:
    try:
        problem = Problem.from_form(form)
        start = heft(problem)
    except ProblemError:
        return
    orders = topological_orders(problem)
    tried = (evaluate(problem, nodes, order).makespan_s for nodes in every_mapping(problem) for order in orders)
    best, is_proven = exact_makespan.best_makespan(problem, start, 10_000)
    assert is_proven
    assert validate(problem, best) == []
    assert best.makespan_s == pytest.approx(min(tried), rel=1e-8)


def test_a_search_that_runs_out_of_steps_says_so_and_keeps_what_it_has() -> None:
    problem = problems.topcuoglu2002()
    start = heft(problem)
    assert exact_makespan.best_makespan(problem, start, 3) == (start, False)
    assert exact.best_period(problem, start.assignment, 3) == (start.assignment, False)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("problem", [problems.topcuoglu2002(), problems.arabnejad2014(), problems.sparse()])
def test_auto_is_no_worse_than_any_of_its_members(problem: Problem, objective: Objective) -> None:
    def cost_s(name: str) -> float:
        result = solve(problem, name, objective)
        return result.period_s if objective == "period" else result.makespan_s

    members = ("heft", "cpop", "peft", "heft_lookahead", "throughput")
    assert set(members) <= set(MAPPERS)
    assert cost_s("auto") <= min(map(cost_s, members))
    assert cost_s("optimal") <= cost_s("auto")


@settings(max_examples=30, deadline=None)
@given(form=strategies.forms(max_tasks=7, max_nodes=3), objective=st.sampled_from(OBJECTIVES))
def test_auto_is_no_worse_than_any_of_its_members_where_nobody_keeps_to_an_order(
    form: dict[str, Any], objective: Objective
) -> None:
    """The search found mappings that were the quickest only in an order that it knew and that is never told."""
    try:
        problem = Problem.from_form(form)
        found = solve(problem, "auto", objective, is_order_kept=False)
    except ProblemError:
        return
    assert again(problem, found).objective_s == found.objective_s
    others = [again(problem, solve(problem, name, objective)) for name in ("heft", "cpop", "peft", "throughput")]
    assert found.objective_s <= min(other.objective_s for other in others) * (1 + TIE_RATIO)


def test_search_and_kicks_come_close_to_the_least_period(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "EXACT_TASKS", 0)
    for problem in (problems.topcuoglu2002(), problems.arabnejad2014()):
        least_s = solve(problem, "optimal", "period").period_s
        assert solve(problem, "throughput").period_s <= 1.1 * least_s


def test_large_graphs_are_refused() -> None:
    rows = {f"T{index}": {"P1": 1.0 + index % 3, "P2": 2.0} for index in range(70)}
    with pytest.raises(TooLargeError, match="optimal: 70 tasks have a choice of nodes, at most 30 can; use auto"):
        solve(problems.problem(rows), "optimal")


@settings(max_examples=50, deadline=None)
@given(strategies.forms(whole=True))
def test_loads_that_were_moved_are_those_of_the_mapping(form: dict[str, Any]) -> None:
    problem = Problem.from_form(form)
    draw = random.Random(0)
    loads = Loads(problem)
    for _ in range(3):
        for task in range(len(problem.tasks)):
            loads.move(task, draw.randrange(len(problem.nodes)), loads.addition(task))
    loads.reset(loads.assignment)
    expected = period(problem, loads.assignment)
    assert loads.period_s() == pytest.approx(expected.period_s)
    assert loads.node_s.tolist() == pytest.approx(expected.node_s.tolist())
