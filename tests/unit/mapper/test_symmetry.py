"""What must not matter (names, order of declaration) and what must (which way a link is slow), for every mapper."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.optimal import TooLargeError
from mapper.problem import Problem
from mapper.ranks import mean_costs, upward_rank
from mapper.registry import MAPPERS, solve
from mapper.result import MappingResult, Objective
from tests.unit.mapper import problems, strategies

DRAWS = {"wave_random"}
BY_NAME = {"wave_random", "wave_greedy"}
"""Who controls whom in WAVE follows sorted names."""
CAPPED = {"heft_balanced"}
objectives = st.sampled_from(["period", "makespan"])


def mappers_but(*left_out: set[str]) -> Any:
    return pytest.mark.parametrize("name", sorted(set(MAPPERS) - set().union(*left_out)))


def without_ties(seed: int, task_count: int, node_count: int) -> dict[str, Any]:
    """A problem whose costs are all different."""
    draw = random.Random(seed)
    tasks, nodes = [f"t{index}" for index in range(task_count)], [f"n{index}" for index in range(node_count)]
    pairs = [(a, b) for index, a in enumerate(tasks) for b in tasks[index + 1 :] if draw.random() < 0.4]
    return problems.form(
        {task: {node: draw.uniform(1, 9) for node in nodes} for task in tasks},
        [(source, target, draw.uniform(0, 9)) for source, target in pairs],
        nodes=nodes,
        links={
            source: {
                target: {"latency_s": draw.uniform(0, 1), "bandwidth_bytes_per_s": draw.uniform(0.5, 4)}
                for target in nodes
                if target != source
            }
            for source in nodes
        },
    )


def renamed(form: dict[str, Any], names: dict[str, str], seed: int) -> dict[str, Any]:
    """The same problem under other names, everything declared in another order."""
    draw = random.Random(seed)

    def shuffled(found: list[Any]) -> list[Any]:
        return draw.sample(found, len(found))

    def table(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {names[a]: {names[b]: row[b] for b in shuffled(list(row))} for a, row in shuffled(list(rows.items()))}

    return {
        "tasks": shuffled([names[task] for task in form["tasks"]]),
        "nodes": shuffled([names[node] for node in form["nodes"]]),
        "exec_s": table(form["exec_s"]),
        "edges": shuffled(
            [{**edge, "source": names[edge["source"]], "target": names[edge["target"]]} for edge in form["edges"]]
        ),
        "links": table(form["links"]),
    }


def solved(form: dict[str, Any], name: str, objective: Objective) -> MappingResult:
    return solve(Problem.from_form(form), name, objective)


@mappers_but(BY_NAME)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.sampled_from([(5, 2), (6, 3), (13, 4)]), objective=objectives)
def test_other_names_in_another_order_give_the_same_objective(
    name: str, seed: int, size: tuple[int, int], objective: Objective
) -> None:
    form = without_ties(seed, *size)
    draw = random.Random(seed + 1)
    names = {old: f"x{draw.random()}" for old in [*form["tasks"], *form["nodes"]]}
    try:
        plain, other = solved(form, name, objective), solved(renamed(form, names, seed), name, objective)
    except TooLargeError:
        return
    assert other.makespan_s == pytest.approx(plain.makespan_s)
    assert other.period_s == pytest.approx(plain.period_s)
    assert {names[task]: names[node] for task, node in plain.assignment.items()} == other.assignment


@mappers_but(DRAWS, CAPPED)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), place=st.integers(0, 3), objective=objectives)
def test_the_name_of_an_absurdly_fast_node_comes_out(name: str, seed: int, place: int, objective: Objective) -> None:
    form = without_ties(seed, 6, 4)
    fast = form["nodes"][place]
    for row in form["exec_s"].values():
        row[fast] /= 1e6
    assert set(solved(form, name, objective).assignment.values()) == {fast}


@mappers_but(DRAWS)
def test_the_direction_in_which_a_link_is_slow_matters(name: str) -> None:
    # P1 does A best and P2 does B best, but only one direction between them is worth it.
    rows = {"A": {"P1": 1, "P2": 2.5}, "B": {"P1": 2.75, "P2": 1}, "C": {"P1": 2, "P2": 2.25}}
    rows["D"] = {"P1": 1, "P2": 0.25}  # beside the longest way through the graph, which CPOP puts on one node
    slow, fast = {"bandwidth_bytes_per_s": 0.1}, {"bandwidth_bytes_per_s": 100}
    links = {"P1": {"P2": fast}, "P2": {"P1": slow}}
    transposed = {"P1": {"P2": slow}, "P2": {"P1": fast}}
    edges = [("A", "B", 1), ("B", "C", 1), ("A", "D", 1)]
    found = [
        solved(problems.form(rows, edges, nodes=("P1", "P2"), links=each), name, "period")
        for each in (links, transposed)
    ]
    assert found[0].assignment != found[1].assignment


@settings(max_examples=40, deadline=None)
@given(form=strategies.forms(whole=True), place=st.integers(0, 5))
def test_a_node_that_can_run_nothing_is_in_no_mean(form: dict[str, Any], place: int) -> None:
    wider = {**form, "nodes": list(form["nodes"]), "links": {a: dict(row) for a, row in form["links"].items()}}
    wider["nodes"].insert(min(place, len(form["nodes"])), "useless")
    far = {"latency_s": 1e6, "bandwidth_bytes_per_s": 1e-3}
    wider["links"]["useless"] = dict.fromkeys(form["nodes"], far)
    for node in form["nodes"]:
        wider["links"][node]["useless"] = far
    plain, other = Problem.from_form(form), Problem.from_form(wider)
    assert mean_costs(other).compute_s == pytest.approx(mean_costs(plain).compute_s, rel=1e-12)
    assert mean_costs(other).transfer_s == pytest.approx(mean_costs(plain).transfer_s, rel=1e-12)
    assert upward_rank(other) == pytest.approx(upward_rank(plain), rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(form=strategies.forms(max_tasks=6, max_nodes=3, whole=True), objective=objectives)
def test_auto_is_no_worse_than_any_and_optimal_no_worse_than_auto(form: dict[str, Any], objective: Objective) -> None:
    problem = Problem.from_form(form)

    def cost_s(name: str) -> float:
        result = solve(problem, name, objective)
        return result.period_s if objective == "period" else result.makespan_s

    costs_s = {name: cost_s(name) for name in MAPPERS if name != "optimal"}
    members = ("heft", "heft_duplicate", "heft_lookahead", "peft", "cpop", "throughput")
    assert costs_s["auto"] <= min(costs_s[name] for name in members) * (1 + 1e-9)
    try:
        least_s = cost_s("optimal")
    except TooLargeError:
        return
    assert least_s <= min(costs_s.values()) * (1 + 1e-9)
