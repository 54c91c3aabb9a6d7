"""Laws that every registered mapper keeps, on generated problems: a new mapper is tested by being registered."""

from __future__ import annotations

import copy
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mapper.heft import schedule as heft
from mapper.problem import Problem, ProblemError
from mapper.ranks import TIE_RATIO, priority_order
from mapper.registry import MAPPERS, solve
from mapper.result import OBJECTIVES, Objective
from mapper.schedule import evaluate, validate
from tests.unit.mapper import problems, strategies

REPO = Path(__file__).parents[3]
every_mapper = pytest.mark.parametrize("name", sorted(MAPPERS))
objectives = st.sampled_from(OBJECTIVES)


def has_a_mapping(form: dict[str, Any]) -> bool:
    """By trying them all, with nothing but the form."""
    able = [
        [node for node in form["nodes"] if node in form["exec_s"][task] and form["pins"].get(task, node) == node]
        for task in form["tasks"]
    ]
    index = {task: position for position, task in enumerate(form["tasks"])}
    pairs = [(index[edge["source"]], index[edge["target"]]) for edge in form["edges"]]
    return any(
        all(nodes[a] == nodes[b] or nodes[b] in form["links"][nodes[a]] for a, b in pairs)
        for nodes in itertools.product(*able)
    )


@every_mapper
@settings(max_examples=60, deadline=None)
@given(form=strategies.forms(max_tasks=6, max_nodes=4), objective=objectives)
def test_there_is_a_valid_schedule_exactly_when_there_is_a_mapping(
    name: str, form: dict[str, Any], objective: Objective
) -> None:
    try:
        problem = Problem.from_form(form)
        result = solve(problem, name, objective)
    except ProblemError as error:
        assert not has_a_mapping(form)
        assert any(task in str(error) for task in form["tasks"])
        return
    assert validate(problem, result.schedule) == []
    assert evaluate(problem, result.schedule.assignment, result.schedule.order) == result.schedule
    assert result.period_s >= 0
    json.dumps(result.to_json(), allow_nan=False)


@every_mapper
@settings(max_examples=20, deadline=None)
@given(
    form=strategies.forms(max_tasks=6, max_nodes=4, whole=True),
    objective=objectives,
    power=st.sampled_from([-20, -1, 1, 30]),
)
def test_another_unit_of_time_gives_the_same_mapping(
    name: str, form: dict[str, Any], objective: Objective, power: int
) -> None:
    scale = 2.0**power
    scaled = copy.deepcopy(form)
    for row in scaled["exec_s"].values():
        row.update({node: seconds * scale for node, seconds in row.items()})
    for row in scaled["links"].values():
        for link in row.values():
            link["latency_s"] *= scale
            link["bandwidth_bytes_per_s"] /= scale
    plain = solve(Problem.from_form(form), name, objective)
    other = solve(Problem.from_form(scaled), name, objective)
    assert other.assignment == plain.assignment
    assert other.makespan_s == plain.makespan_s * scale
    assert other.period_s == plain.period_s * scale


@every_mapper
@settings(max_examples=20, deadline=None)
@given(
    form=strategies.forms(max_tasks=6, max_nodes=4),
    objective=objectives,
    place=st.integers(0, 4),
    is_linked=st.booleans(),
)
def test_a_node_that_can_run_nothing_changes_nothing(
    name: str, form: dict[str, Any], objective: Objective, place: int, is_linked: bool
) -> None:
    wider = copy.deepcopy(form)
    wider["nodes"].insert(min(place, len(form["nodes"])), "useless")
    if is_linked:
        link = {"latency_s": 0.0, "bandwidth_bytes_per_s": 1e12}
        wider["links"]["useless"] = dict.fromkeys(form["nodes"], link)
        for node in form["nodes"]:
            wider["links"][node]["useless"] = link
    try:
        plain = solve(Problem.from_form(form), name, objective)
    except ProblemError:
        assume(False)
    other = solve(Problem.from_form(wider), name, objective)
    assert other.to_json() == plain.to_json()


@settings(max_examples=80, deadline=None)
@given(strategies.forms(max_tasks=12, whole=True))
def test_heft_searches_gaps_as_if_it_searched_all_of_them(form: dict[str, Any]) -> None:
    problem = Problem.from_form(form)
    found = heft(problem)
    assert (found.assignment, found.start_s) == full_scan(problem)


def full_scan(problem: Problem) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """HEFT by trying every moment at which something ends, on every node; one core each."""
    placed: dict[int, tuple[int, float, float]] = {}
    work_s = [0.0] * len(problem.nodes)
    for task in priority_order(problem):
        options = []
        for node in range(len(problem.nodes)):
            duration_s = float(problem.exec_s[task, node])
            ready_s = 0.0
            for edge in problem.edges:
                if edge.target == task:
                    parent_node, _, parent_finish_s = placed[edge.source]
                    arrival_s = problem.transfer_s(edge.size_bytes, parent_node, node) + parent_finish_s
                    ready_s = max(ready_s, arrival_s)
            here = [(start_s, finish_s) for there, start_s, finish_s in placed.values() if there == node]
            moments = sorted({ready_s, *(finish_s for _, finish_s in here if finish_s > ready_s)})
            start_s = next(moment for moment in moments if is_free(here, moment, moment + duration_s))
            options.append((start_s + duration_s, start_s))
        best_s = min(finish_s for finish_s, _ in options)
        ties = [node for node, (finish_s, _) in enumerate(options) if finish_s <= best_s * (1 + TIE_RATIO)]
        least_s = min(work_s[node] for node in ties)
        node = next(node for node in ties if work_s[node] <= least_s * (1 + TIE_RATIO))
        placed[task] = (node, options[node][1], options[node][0])
        work_s[node] += float(problem.exec_s[task, node])
    tasks = range(len(problem.tasks))
    return tuple(placed[task][0] for task in tasks), tuple(placed[task][1] for task in tasks)


def is_free(intervals: list[tuple[float, float]], start_s: float, finish_s: float) -> bool:
    """Closed at neither end, so that a task of no seconds fits between two others and nowhere inside one."""
    return all(finish_s <= begin_s or start_s >= end_s for begin_s, end_s in intervals)


ALL = dict.fromkeys(problems.NODES, 2.0)
SHAPES = {
    "one task": problems.form({"A": ALL}),
    "one node": problems.form({"A": {"P1": 1}, "B": {"P1": 2}}, [("A", "B", 5)], nodes=("P1",), links={}),
    "tasks that nothing leads to or from": problems.form(dict.fromkeys("ABCD", ALL)),
    "several sources and sinks": problems.form(
        dict.fromkeys("ABCDEF", ALL), [("A", "C", 1), ("B", "C", 1), ("B", "D", 1), ("C", "E", 1), ("C", "F", 1)]
    ),
    "hours": problems.form(
        {task: {"P1": 20_000.0, "P2": 15_000.0} for task in "ABC"},
        [("A", "B", 1e6), ("A", "C", 1e6)],
        nodes=("P1", "P2"),
    ),
    "no bytes": problems.form(dict.fromkeys("ABC", ALL), [("A", "B", 0), ("B", "C", 0)]),
    "no row but one": problems.form({"A": ALL, "B": {"P2": 1.0}, "C": ALL}, [("A", "B", 1), ("B", "C", 1)]),
}


@every_mapper
@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_shapes_that_broke_other_implementations(name: str, shape: str) -> None:
    problem = Problem.from_form(SHAPES[shape])
    for objective in OBJECTIVES:
        result = solve(problem, name, objective)
        assert validate(problem, result.schedule) == []
        longest_s = max(result.task_s().values())
        assert longest_s <= result.period_s and longest_s <= result.makespan_s < float("inf")


SOLVE_ALL = """
import json
from mapper.registry import MAPPERS, solve
from runtime.mapper_options import MapperOptions
from tests.unit.mapper import problems
for make in (problems.topcuoglu2002, problems.arabnejad2014, problems.sparse):
    for name in MAPPERS:
        for objective in ("period", "makespan"):
            print(json.dumps(solve(make(), name, objective, options=MapperOptions(seed=7)).to_json()))
"""


def test_the_hash_seed_changes_nothing() -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", SOLVE_ALL],
            cwd=REPO,
            env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
            stdout=subprocess.PIPE,
        )
        for hash_seed in range(3)
    ]
    outputs = [run.communicate()[0] for run in runs]
    assert all(run.returncode == 0 for run in runs)
    assert outputs[0].count(b"\n") == 6 * len(MAPPERS)
    assert len(set(outputs)) == 1


def test_a_problem_with_missing_links_has_a_mapping_with_every_mapper() -> None:
    for name in MAPPERS:
        problem = problems.sparse()
        assert validate(problem, solve(problem, name).schedule) == []
