"""HEFT against its paper, against a plain full scan, and on shapes that broke other implementations."""

from __future__ import annotations

import pytest

from mapper.heft import schedule as heft
from mapper.period import period
from mapper.problem import Problem, ProblemError
from mapper.ranks import downward_rank, priority_order, upward_rank
from mapper.schedule import evaluate, validate
from tests.unit.mapper import problems


def names(problem: Problem, assignment: tuple[int, ...]) -> str:
    return " ".join(problem.nodes[node] for node in assignment)


def test_topcuoglu_2002() -> None:
    problem = problems.topcuoglu2002()
    schedule = heft(problem)
    assert schedule.makespan_s == 80.0
    assert names(problem, schedule.assignment) == "P3 P1 P3 P2 P3 P2 P3 P1 P2 P2"
    assert schedule.start_s == (0, 27, 9, 18, 28, 26, 38, 57, 56, 73)
    assert schedule.finish_s == (9, 40, 28, 26, 38, 42, 49, 62, 68, 80)
    assert validate(problem, schedule) == []


def test_topcuoglu_2002_ranks() -> None:
    problem = problems.topcuoglu2002()
    assert upward_rank(problem) == pytest.approx(problems.TOPCUOGLU_UPWARD_RANK, abs=1e-3)
    assert downward_rank(problem) == pytest.approx(problems.TOPCUOGLU_DOWNWARD_RANK, abs=1e-3)


def test_equal_ranks_keep_topological_order() -> None:
    problem = problems.topcuoglu2002()
    order = [problem.tasks[task] for task in priority_order(problem)]
    assert order == ["T1", "T3", "T4", "T2", "T5", "T6", "T9", "T7", "T8", "T10"]


def test_arabnejad_2014() -> None:
    problem = problems.arabnejad2014()
    schedule = heft(problem)
    assert schedule.makespan_s == 133.0
    assert validate(problem, schedule) == []


@pytest.mark.parametrize(
    ("problem", "period_s", "bottleneck"),
    [
        (problems.topcuoglu2002(), 53.0, "link P3 -> P2"),
        (problems.arabnejad2014(), 100.0, "node P2"),
    ],
)
def test_the_period_of_its_mappings(problem: Problem, period_s: float, bottleneck: str) -> None:
    found = period(problem, heft(problem).assignment)
    assert found.period_s == period_s
    assert found.bottleneck == bottleneck


def test_the_evaluator_gives_its_schedule_again() -> None:
    problem = problems.topcuoglu2002()
    schedule = heft(problem)
    assert evaluate(problem, schedule.assignment) == schedule


def test_one_task_one_node() -> None:
    problem = problems.problem({"A": {"P1": 3}}, nodes=("P1",), links={})
    assert heft(problem).finish_s == (3.0,)


def test_several_sources_sinks_and_lonely_tasks_are_all_placed() -> None:
    rows = {name: dict.fromkeys(problems.NODES, 2) for name in "ABCDEF"}
    problem = problems.problem(rows, [("A", "C", 1), ("B", "C", 1), ("D", "E", 1)])
    schedule = heft(problem)
    assert validate(problem, schedule) == []
    assert sorted(set(schedule.assignment)) == [0, 1, 2]


def test_of_nodes_that_finish_together_the_least_loaded_then_the_first_is_taken() -> None:
    rows = {"A": {"P1": 5}, "B": {"P1": 0, "P2": 0, "P3": 0}, "C": {"P1": 1, "P2": 1, "P3": 1}}
    problem = problems.problem(rows, [("A", "B", 0)], release_s=0)
    schedule = heft(problem)
    assert names(problem, schedule.assignment) == "P1 P3 P2"


def test_times_beyond_any_sentinel_are_times() -> None:
    rows = {"A": {"P1": 1e7, "P2": 2e7}, "B": {"P1": 1e7, "P2": 2e7}}
    schedule = heft(problems.problem(rows, [("A", "B", 1)], nodes=("P1", "P2")))
    assert schedule.finish_s == (1e7, 2e7)


def test_a_pair_that_cannot_run_attracts_nothing() -> None:
    rows = {"A": {"P1": 9}, "B": {"P1": 9, "P3": 8}}
    problem = problems.problem(rows, [("A", "B", 0)])
    assert names(problem, heft(problem).assignment) == "P1 P3"


def test_a_choice_that_would_strand_a_later_task_is_not_made() -> None:
    # A is fastest on P1, but B can only run on P2 and P1 has no path to it.
    rows = {"A": {"P1": 1, "P3": 9}, "B": {"P2": 1}}
    links = {"P3": {"P2": {"bandwidth_bytes_per_s": 1}}}
    problem = problems.problem(rows, [("A", "B", 1)], links=links)
    assert names(problem, heft(problem).assignment) == "P3 P2"


def test_a_strand_that_only_a_search_can_see_is_avoided() -> None:
    # A ring of three nodes that reach only the next one: three tasks in a triangle fit on one node only.
    ring = {"P1": "P2", "P2": "P3", "P3": "P1"}
    links = {source: {target: {"bandwidth_bytes_per_s": 9}} for source, target in ring.items()}
    rows = {"A": {"P1": 1, "P2": 5}, "B": {"P2": 1, "P3": 1}, "C": {"P3": 1, "P1": 1, "P2": 9}}
    problem = problems.problem(rows, [("A", "B", 1), ("B", "C", 1), ("A", "C", 1)], links=links)
    schedule = heft(problem)
    assert validate(problem, schedule) == []


def test_without_any_mapping_the_error_names_a_task() -> None:
    # Every pair of tasks has a choice, the three together have none: propagation alone cannot see it.
    ring = {"P1": "P2", "P2": "P1"}
    links = {source: {target: {"bandwidth_bytes_per_s": 9}} for source, target in ring.items()}
    rows = {"A": {"P1": 1, "P3": 1}, "B": {"P2": 1, "P4": 1}, "C": {"P3": 1, "P1": 1}, "D": {"P4": 1, "P2": 1}}
    links |= {"P3": {"P4": {"bandwidth_bytes_per_s": 9}}, "P4": {"P1": {"bandwidth_bytes_per_s": 9}}}
    form = problems.form(
        rows,
        [("A", "B", 1), ("B", "C", 1), ("C", "D", 1), ("A", "D", 1)],
        nodes=("P1", "P2", "P3", "P4"),
        links=links,
        pins={"A": "P3", "D": "P4", "C": "P1"},
    )
    with pytest.raises(ProblemError, match=r"no node is left for task [ABCD]"):
        heft(Problem.from_form(form))
