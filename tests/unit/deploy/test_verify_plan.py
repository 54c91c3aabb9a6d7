"""The schedule of faults: the same for a seed, every kind in every deck, victims that exist."""

from __future__ import annotations

from itertools import islice

import pytest

from circe.fence import CUT_OFF_S
from circe.pulse import LEASE_S
from deploy import verify_faults
from deploy.verify_plan import BY_NAME, KINDS, chosen, schedule, spread
from runtime.errors import UsageError
from runtime.graph import Task, TaskGraph
from runtime.network import HOME

GRAPH = TaskGraph(
    {
        "a": Task(name="a", script="s.py", children=("b", "c")),
        "b": Task(name="b", script="s.py", children=("d",)),
        "c": Task(name="c", script="s.py", children=("d",), pin="node2"),
        "d": Task(name="d", script="s.py", children=(HOME,)),
    },
    ("a",),
)
NODES = ("node1", "node2")


def test_the_same_seed_gives_the_same_faults_and_another_seed_others() -> None:
    first, again, other = (list(islice(schedule(seed, KINDS, GRAPH, NODES), 60)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_every_deck_holds_every_kind() -> None:
    whole = sorted(kind.name for kind in KINDS for _ in range(kind.copies))
    faults = list(islice(schedule(3, KINDS, GRAPH, NODES), 2 * len(whole)))
    for deck in (faults[: len(whole)], faults[len(whole) :]):
        assert sorted(fault.kind.name for fault in deck) == whole


def test_two_at_once_are_two_different_ones_of_those_asked_for() -> None:
    kinds = chosen("cut,kill-worker,two-at-once")
    pairs = [fault for fault in islice(schedule(5, kinds, GRAPH, NODES), 60) if fault.parts]
    assert len(pairs) == 40
    for pair in pairs:
        assert sorted(part.kind.name for part in pair.parts) == ["cut", "kill-worker"]
        assert str(pair) == " and ".join(str(part) for part in pair.parts)


def test_victims_exist_and_stops_are_longer_than_the_lease() -> None:
    allowed = {"tasks": set(GRAPH.tasks), "joins": {"d"}, "nodes": set(NODES), "lines": {*NODES, "gateway"}, "": {""}}
    for fault in islice(schedule(4, KINDS, GRAPH, NODES), 200):
        assert fault.victim in allowed[fault.kind.victims]
        if fault.kind.name.startswith("stop-"):
            assert fault.lasts_s > LEASE_S
        if fault.kind.name == "cut-off":
            assert fault.lasts_s > CUT_OFF_S


def test_every_kind_can_be_carried_out() -> None:
    assert set(verify_faults.CARRIERS) == set(BY_NAME)


def test_kinds_are_chosen_by_name_and_left_out_by_a_minus() -> None:
    assert [kind.name for kind in chosen("cut, kill-gateway")] == ["kill-gateway", "cut"]
    assert chosen(None) == KINDS
    assert {kind.name for kind in chosen("-egress-full")} == set(BY_NAME) - {"egress-full"}
    with pytest.raises(UsageError, match="there is no fault 'cuts'; the faults are worker-before-send"):
        chosen("cuts")


def test_tasks_are_spread_over_the_nodes_but_home_and_pins_are_kept() -> None:
    assert spread(GRAPH, ("home", *NODES)) == {"a": "node1", "b": "node2", "c": "node2", "d": "node2"}
    assert set(spread(GRAPH, ("home",)).values()) == {"home", "node2"}
