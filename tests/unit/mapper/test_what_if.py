"""Sentences that change a problem, and those that make no sense."""

from __future__ import annotations

from typing import Any

import pytest

from mapper import what_if
from mapper.problem import Problem
from mapper.registry import solve
from runtime.errors import UsageError
from tests.unit.mapper import problems


def form() -> dict[str, Any]:
    rows = {"a": {"P1": 1.0, "P2": 2.0}, "b": {"P1": 1.0, "P3": 2.0}}
    return problems.form(rows, [("a", "b", 10)], pins={"b": "P3"}, cores={"P1": 2})


def test_a_link_is_made_slower_in_one_direction() -> None:
    before = form()
    after = what_if.changed(before, ["link P1>P2 bandwidth=5Mbit/s latency=20ms"])
    assert after["links"]["P1"]["P2"] == {"latency_s": 0.02, "bandwidth_bytes_per_s": 625_000.0}
    assert after["links"]["P2"]["P1"] == before["links"]["P2"]["P1"] == {"latency_s": 0, "bandwidth_bytes_per_s": 1}


def test_a_link_goes_in_both_directions() -> None:
    after = what_if.changed(form(), ["link P1<>P2 gone"])
    assert "P2" not in after["links"]["P1"] and "P1" not in after["links"]["P2"]
    Problem.from_form(after)


def test_a_node_goes_everywhere() -> None:
    after = what_if.changed(form(), ["node P1 gone"])
    assert after["nodes"] == ["P2", "P3"]
    problem = Problem.from_form(after)
    assert solve(problem, "heft").assignment == {"a": "P2", "b": "P3"}


def test_nodes_and_tasks_become_slower() -> None:
    changes = ["node P1 slower=3 cores=4", "task a@P2 seconds=5ms", "task b slower=2"]
    after = what_if.changed(form(), changes)
    assert after["exec_s"] == {"a": {"P1": 3.0, "P2": 0.005}, "b": {"P1": 6.0, "P3": 4.0}}
    assert after["cores"] == {"P1": 4.0}


@pytest.mark.parametrize(
    ("text", "value"),
    [("5Mbit/s", 625e3), ("640kB/s", 640e3), ("1e6", 1e6), ("1MiB/s", 1048576.0), ("80Mbps", 10e6), ("2Gbit", 250e6)],
)
def test_bandwidths(text: str, value: float) -> None:
    assert what_if.bytes_per_s(text, "") == value


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        ("", "write a sentence such as"),
        ("node P1", "write a sentence such as"),
        ("host P1 gone", "write a sentence such as"),
        ("node P9 gone", "there is no node P9; there are P1, P2, P3"),
        ("node P3 gone", "nothing can be mapped then: b can only run there"),
        ("link P1 gone", "a link is written as node1>node2"),
        ("link P1>P9 gone", "there is no node P9"),
        ("link P1>P2 bandwith=1", "'bandwith=1' is not one of gone, bandwidth=…, latency=…"),
        ("link P1>P2 bandwidth=fast", "'fast' is no bandwidth; write 5Mbit/s or 640kB/s"),
        ("link P1>P2 bandwidth=0", "'0' is no bandwidth"),
        ("link P1>P2 latency=2h", "'2h' is no time"),
        ("node P1 gone=1", "is not one of"),
        ("node P1 slower=0", "'0' is not a number above zero"),
        ("task z seconds=1", "there is no task z"),
        ("task a@P3 slower=2", "P3 cannot run a"),
    ],
)
def test_what_makes_no_sense_is_said(sentence: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        what_if.changed(form(), [sentence])
    assert message in str(caught.value)


def test_home_cannot_go() -> None:
    rows = {"(ingress)": {"P1": 0.0}, "a": {"P1": 1.0, "P2": 1.0}}
    with pytest.raises(UsageError, match="inputs enter and results return there"):
        what_if.changed(problems.form(rows), ["node P1 gone"])
