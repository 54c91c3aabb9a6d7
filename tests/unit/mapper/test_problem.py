"""The form is read as documented, and every fault is reported with its place, all at once."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from mapper.problem import Edge, Problem, ProblemError
from runtime.errors import UsageError
from tests.unit.mapper import problems, strategies


def faults(form: Any) -> tuple[str, ...]:
    with pytest.raises(ProblemError) as caught:
        Problem.from_form(form)
    return caught.value.messages


def small(**changes: Any) -> dict[str, Any]:
    form = problems.form({"A": {"P1": 1}, "B": {"P1": 2, "P2": 3}}, [("A", "B", 10)], nodes=("P1", "P2"))
    return {**form, **changes}


def test_reads_the_object_and_the_object_that_holds_it() -> None:
    for form in (small(), {"name": "x", "problem": small(), "expected": {}}):
        problem = Problem.from_form(form)
        assert problem.tasks == ("A", "B")
        assert problem.nodes == ("P1", "P2")
        assert problem.exec_s.tolist() == [[1.0, math.inf], [2.0, 3.0]]
        assert problem.edges == (Edge(source=0, target=1, size_bytes=10.0),)
        assert problem.transfer_s(10.0, 0, 1) == 10.0
        assert problem.transfer_s(10.0, 1, 1) == 0.0


def test_defaults() -> None:
    problem = Problem.from_form(small())
    assert problem.cores == (1.0, 1.0)
    assert problem.replicas == (1, 1)
    assert problem.rates == (1.0, 1.0)
    assert problem.busy == ((), ())
    assert problem.release_s == 0.0
    assert problem.edge_rate(problem.edges[0]) == 1.0


def test_an_absent_link_is_no_path_even_for_nothing() -> None:
    problem = Problem.from_form(small(links={"P1": {"P2": {"bandwidth_bytes_per_s": 2}}, "P2": {"P1": None}}))
    assert problem.transfer_s(0.0, 1, 0) == math.inf
    assert problem.transfer_s(10.0, 0, 1) == 5.0
    assert not problem.is_fully_linked


def test_null_in_exec_s_means_cannot_run() -> None:
    problem = Problem.from_form(small(exec_s={"A": {"P1": 1, "P2": None}, "B": {"P2": 1}}))
    assert problem.allowed.tolist() == [[True, False], [False, True]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exec_s": {"A": {"P1": -1}, "B": {"P1": 1}}}, "exec_s.A.P1: -1 is negative"),
        ({"exec_s": {"A": {"P1": math.nan}, "B": {"P1": 1}}}, "exec_s.A.P1: nan is not a finite number"),
        ({"exec_s": {"A": {"P1": math.inf}, "B": {"P1": 1}}}, "exec_s.A.P1: inf is not a finite number"),
        ({"exec_s": {"A": {"P1": "1"}, "B": {"P1": 1}}}, "exec_s.A.P1: '1' is not a finite number"),
        ({"exec_s": {"A": {"P1": True}, "B": {"P1": 1}}}, "exec_s.A.P1: True is not a finite number"),
        ({"exec_s": {"A": {"P1": 1}}}, "exec_s.B: no node can run it"),
        ({"exec_s": {"A": {"P1": 1}, "B": {"P1": 1}, "C": {}}}, "exec_s.C: C is not known"),
        ({"exec_s": {"A": {"P1": 1, "P9": 1}, "B": {"P1": 1}}}, "exec_s.A.P9: P9 is not known"),
        ({"exec_s": []}, "exec_s.A: no node can run it"),
        ({"tasks": None}, "tasks: missing; a list of names is needed"),
        ({"tasks": ["A", "B", "A"]}, "tasks: A is there twice"),
        ({"nodes": []}, "nodes: empty; at least one is needed"),
        ({"edges": [{"source": "A", "target": "Z", "bytes": 1}]}, "edges[0].target: there is no task Z"),
        ({"edges": [{"source": "A", "target": "B", "bytes": -5}]}, "edges[0].bytes: -5 is negative"),
        ({"edges": [{"source": "A", "target": "B", "rate": -5}]}, "edges[0].rate: -5 is negative"),
        ({"edges": ["A"]}, "edges[0]: 'A' is not an object"),
        ({"edges": [{"source": "A", "target": "B"}] * 2}, "edges[1]: A -> B is already edges[0]"),
        (
            {"links": {"P1": {"P2": {"bandwidth_bytes_per_s": 0}}}},
            "links.P1.P2.bandwidth_bytes_per_s: 0 is not above zero",
        ),
        ({"links": {"P1": {"P2": {}}}}, "links.P1.P2.bandwidth_bytes_per_s: None is not a finite number"),
        ({"links": {"P1": {"P2": 5}}}, "links.P1.P2: 5 is not an object"),
        ({"links": {"P9": {}}}, "links.P9: P9 is not known"),
        (
            {"links": {"P1": {"P2": {"latency_s": -1, "bandwidth_bytes_per_s": 1}}}},
            "links.P1.P2.latency_s: -1 is negative",
        ),
        ({"pins": {"A": "P9"}}, "pins.A: there is no node P9"),
        ({"pins": {"Z": "P1"}}, "pins.Z: Z is not known"),
        ({"pins": {"A": "P2"}}, "pins.A: P2 cannot run it (exec_s.A.P2 is missing)"),
        ({"cores": {"P1": 0}}, "cores.P1: 0 is not above zero"),
        ({"replicas": {"A": 1.5}}, "replicas.A: 1.5 is not a whole number from 1 to 1000000"),
        ({"replicas": {"A": 0}}, "replicas.A: 0 is not a whole number from 1 to 1000000"),
        ({"replicas": {"A": 1e30}}, "replicas.A: 1e+30 is not a whole number from 1 to 1000000"),
        ({"rates": {"A": -1}}, "rates.A: -1 is negative"),
        ({"load": {"P1": {"busy_cores_ratio": 1.5}}}, "load.P1.busy_cores_ratio: 1.5 is not between 0 and 1"),
        ({"busy": {"P1": [[3, 2]]}}, "busy.P1[0]: it finishes at 2, before it starts at 3"),
        ({"busy": {"P1": [3]}}, "busy.P1[0]: a pair [start_s, finish_s] is needed"),
        ({"release_s": -1}, "release_s: -1 is negative"),
        ({"release_s": 10**400}, f"release_s: {10**59} is not a finite number"),
        ({"pin": {"A": "P1"}}, "pin: it is not known; pins is"),
        ({"edges": [{"source": "A", "target": "B", "size": 1}]}, "edges[0].size: size is not known"),
        (
            {"links": {"P1": {"P2": {"latency": 1, "bandwidth_bytes_per_s": 1}}}},
            "links.P1.P2.latency: latency is not known",
        ),
    ],
)
def test_a_fault_is_named_with_its_place(changes: dict[str, Any], message: str) -> None:
    assert message in faults(small(**changes))


@pytest.mark.parametrize("form", [{}, {"tasks": [], "nodes": []}, {"problem": {}}])
def test_an_empty_problem_is_one_sentence(form: dict[str, Any]) -> None:
    with pytest.raises(ProblemError, match="neither tasks nor nodes") as caught:
        Problem.from_form(form)
    assert len(caught.value.messages) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": "AB"}, "tasks: missing; a list of names is needed"),
        ({"tasks": ["A", "A", "B"]}, "tasks: A is there twice"),
        ({"tasks": ["A", "B", "\ud800"]}, "tasks: '\\ud800' is not a name"),
        ({"nodes": ["P1", "P2", "\0"]}, "nodes: '\\x00' is not a name"),
        (
            {"links": {"P1": {"P2": {"bandwidth_bytes_per_s": 0}}}},
            "links.P1.P2.bandwidth_bytes_per_s: 0 is not above zero",
        ),
    ],
)
def test_one_fault_causes_no_others(changes: dict[str, Any], message: str) -> None:
    assert faults(small(**changes)) == (message,)


def test_what_else_a_file_says_is_its_own() -> None:
    Problem.from_form({**small(), "name": "mine", "source": "a paper", "expected": {}, "uncertain": {}})


def test_a_cycle_is_named() -> None:
    rows = {name: {"P1": 1} for name in "ABCDE"}
    edges = [("A", "B", 1), ("B", "C", 1), ("C", "D", 1), ("D", "B", 1), ("D", "E", 1)]
    [message] = faults(problems.form(rows, edges))
    assert message == "edges: B -> C -> D -> B is a cycle; tasks must form a directed acyclic graph"
    assert "A -> A is a cycle" in faults(problems.form({"A": {"P1": 1}}, [("A", "A", 1)]))[0]


def test_all_faults_come_at_once() -> None:
    found = faults(
        small(
            exec_s={"A": {"P1": -1}, "B": {"P9": 1}},
            pins={"A": "P7"},
            release_s=-2,
            edges=[{"source": "A", "target": "A"}],
        )
    )
    text = "\n".join(found)
    for place in ("exec_s.A.P1", "exec_s.B.P9", "pins.A", "release_s", "A -> A is a cycle"):
        assert place in text


def test_times_whose_sum_is_no_number_are_refused() -> None:
    rows = {"A": {"P1": 1.5e308}, "B": {"P1": 1.5e308}}
    assert "so large" in faults(problems.form(rows))[0]


def test_a_missing_link_between_needed_nodes_names_the_task() -> None:
    links = {"P1": {"P2": {"bandwidth_bytes_per_s": 1}}}
    [message] = faults(small(links=links, pins={"B": "P1"}, exec_s={"A": {"P2": 1}, "B": {"P1": 1, "P2": 1}}))
    assert "no node is left for task B" in message
    assert "(P1)" in message
    assert "those that can run A (P2)" in message


def test_nodes_without_the_links_they_need_are_not_allowed() -> None:
    rows = {"A": {"P1": 1}, "B": {"P1": 9, "P2": 1, "P3": 1}}
    links = {"P1": {"P3": {"bandwidth_bytes_per_s": 1}}}
    problem = problems.problem(rows, [("A", "B", 1)], links=links)
    assert problem.allowed.tolist() == [[True, False, False], [True, False, True]]


def test_errors_are_usage_errors_and_value_errors() -> None:
    assert issubclass(ProblemError, UsageError)
    assert issubclass(ProblemError, ValueError)


def test_arrays_cannot_be_changed() -> None:
    problem = Problem.from_form(small())
    with pytest.raises(ValueError, match="read-only"):
        problem.exec_s[0, 0] = 5.0


def test_arrays_of_a_wrong_shape_are_refused() -> None:
    square = np.zeros((1, 1))
    with pytest.raises(ProblemError, match="exec_s: shape"):
        Problem(
            tasks=("A",),
            nodes=("P1",),
            exec_s=np.zeros((2, 1)),
            edges=(),
            latency_s=square,
            inverse_bandwidth_s_per_byte=square,
        )


@settings(max_examples=200, deadline=None)
@given(strategies.forms())
def test_writing_and_reading_gives_the_same_problem(form: dict[str, Any]) -> None:
    try:
        problem = Problem.from_form(form)
    except ProblemError:
        return
    again = Problem.from_form(json.loads(json.dumps(problem.to_form())))
    for name in ("tasks", "nodes", "edges", "pins", "cores", "replicas", "rates", "load", "busy", "release_s"):
        assert getattr(again, name) == getattr(problem, name)
    np.testing.assert_array_equal(again.exec_s, problem.exec_s)
    np.testing.assert_array_equal(again.latency_s, problem.latency_s)
    np.testing.assert_allclose(again.inverse_bandwidth_s_per_byte, problem.inverse_bandwidth_s_per_byte, rtol=1e-15)


@pytest.mark.parametrize(("source", "target", "name"), [("(egress)", "B", "(egress)"), ("A", "(ingress)", "(ingress)")])
def test_what_stands_for_home_has_nothing_on_its_other_side(source: str, target: str, name: str) -> None:
    rows = {source: {"P1": 1}, target: {"P1": 2, "P2": 3}}
    (message,) = faults(problems.form(rows, [(source, target, 10)], nodes=("P1", "P2")))
    assert message.startswith(f"edges[0]: {name} is where ") and message.endswith("give the task another name")
