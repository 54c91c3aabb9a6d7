"""Who is there, as one agent hears it, and what its workers use."""

from __future__ import annotations

import pytest

from agents.neighbours import Neighbours
from agents.usage import Usage
from agents.wave_statistics import being_measured
from runtime.profiles import NODE_LEASE_S
from tests.unit.mapper import known


def heard(neighbours: Neighbours, now_s: float, *names: str) -> None:
    for name in names:
        neighbours.heard(known.node(name), now_s)


def test_who_is_silent_or_has_left_is_gone_and_one_is_always_there_oneself() -> None:
    neighbours = Neighbours("node2")
    assert neighbours.alive(0.0) == ("node2",)
    for now_s in range(0, 10, 2):
        heard(neighbours, now_s, "node1", *(["home"] if now_s < 2 else []))
    assert neighbours.alive(5.0) == ("home", "node1", "node2")
    assert neighbours.alive(NODE_LEASE_S + 2.5) == ("node1", "node2")
    neighbours.heard(known.node("node1", gone=True), 9.0)
    assert neighbours.alive(9.0) == ("node2",)


def test_an_agent_that_was_started_again_has_joined_again() -> None:
    neighbours = Neighbours("home")
    heard(neighbours, 0.0, "home", "node1", "node2")
    heard(neighbours, 5.0, "home", "node1")
    neighbours.heard(known.node("node2"), 5.0)
    assert neighbours.joined_since(1.0, 5.0) == ()
    again = known.node("node1").to_record() | {"agent": "agent-next"}
    neighbours.heard(type(known.node("node1")).from_record(again), 6.0)
    assert neighbours.joined_since(1.0, 6.0) == ("node1",)


def test_what_other_applications_use_is_averaged_and_what_ended_is_forgotten() -> None:
    cpu_s = {1: 10.0, 2: 0.0, 3: 5.0}
    usage = Usage(cpu_s.get)
    processes = [("one", 1), ("one", 2), ("two", 3), ("two", 4)]
    usage.sample(processes, 0.0)
    assert usage.by_others("one") == usage.by_others("two") == 0.0
    for second in range(1, 101):
        cpu_s[1] += 0.5
        cpu_s[2] += 0.25
        usage.sample(processes, float(second))
    assert usage.by_others("two") == pytest.approx(0.75, rel=0.01)
    assert usage.by_others("one") == 0.0
    usage.sample([("two", 3)], 101.0)
    assert usage.by_others("two") == 0.0


def test_a_link_to_who_has_just_come_may_soon_be_known() -> None:
    row = {"near": known.link(), "back": known.link(state="down"), "cut": known.link(state="down")}
    joined_s = {"near": 99.0, "back": 98.0, "cut": 90.0, "new": 90.0, "odd": 70.0}
    found = being_measured(row, lambda since_s: [name for name, at_s in joined_s.items() if at_s >= since_s], 100.0)
    assert found == ("back", "new")
