"""The model check can fail: with one rule of the protocol taken away, it finds the breach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from circe.head import Head
from circe.join import Join
from circe.lineage import Lineage
from circe.outbox import Outbox
from circe.seen import Seen
from runtime.graph import Task, TaskGraph
from runtime.item import Part
from runtime.network import HOME
from tests.unit.circe import protocol_decisions
from tests.unit.circe.protocol_walk import walk
from tests.unit.circe.protocol_world import BreachError, Faults, World
from tests.unit.circe.test_protocol_model import diamond, doubled, two_diamonds

STYLES: tuple[dict[str, str], ...] = ({}, {"left": "filter"}, {"split": "two"}, {"last": "two", "right": "filter"})


def walks(
    faults: Faults | None = None,
    count: int = 3000,
    graph: TaskGraph | None = None,
    styles: Sequence[dict[str, str]] = STYLES,
) -> Iterator[str]:
    """The breaches of seeded walks over diamonds, or the graph."""
    for seed in range(count):
        rng = Random(seed)
        budget = faults and Faults(**vars(faults))
        budget = budget or Faults(rng.randint(0, 5), rng.randint(0, 2), rng.randint(0, 6), rng.randint(0, 6))
        world = World(graph or diamond(rng.choice(["all", "any", "each"])), rng.choice(styles), seed, budget)
        try:
            walk(world)
        except BreachError as breach:
            yield str(breach)


def test_with_every_rule_nothing_is_found() -> None:
    assert list(walks(count=300)) == []
    assert list(walks(count=150, graph=two_diamonds())) == []
    assert list(walks(count=150, graph=doubled())) == []


def test_without_the_stale_rule_a_lost_part_is_never_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lineage, "_stale", lambda self, own: [])
    assert "never ends" in next(walks())


def test_without_word_of_what_is_over_joins_keep_leftovers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lineage, "_over", lambda self, beat: [])
    assert "waiting" in next(walks())


def test_when_attempts_meet_in_a_join_a_root_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    add = Join.add

    def blind(self: Join, head: str, source: str, part: Part) -> Any:
        return add(self, head, source, part._replace(attempt=1))

    monkeypatch.setattr(Join, "add", blind)
    assert any("ended early" in breach for breach in walks())


def test_without_probes_a_lost_grant_stops_the_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Outbox, "probes", lambda self: [])
    assert "never ends" in next(walks())


def test_without_telling_repeats_apart_a_repeated_report_cancels_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Seen, "is_new", lambda self, number: True)
    monkeypatch.setattr(Lineage, "_stale", lambda self, own: [])
    repeats_only = Faults(crash=0, head_crash=0, lose=0, repeat=8, reconnect=0, redeliver=0)
    assert "never ends" in next(walks(repeats_only))


def test_when_nobody_repairs_a_changed_membership_a_root_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lineage, "_resend", lambda self, numbers: [])
    crashes_only = Faults(crash=4, head_crash=0, lose=0, repeat=0, reconnect=0, redeliver=0)
    assert "never ends" in next(walks(crashes_only))


def test_when_replicas_of_a_join_take_what_they_have_room_for_parts_never_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    edges = World.edges
    monkeypatch.setattr(World, "edges", lambda self: replace(edges(self), partitioned=()))
    no_faults = Faults(crash=0, head_crash=0, lose=0, repeat=0, reconnect=0, redeliver=0, absence=0)
    assert "never ends" in next(walks(no_faults, graph=doubled()))


def test_when_a_head_keeps_what_it_has_although_another_is_named_a_root_never_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Head, "surrender", lambda self: [])
    crashes_only = Faults(crash=4, head_crash=2, lose=0, repeat=0, reconnect=0, redeliver=0)
    assert any("never ends" in breach for breach in walks(crashes_only, graph=two_diamonds()))


GIVEN_BESIDE = ({"split": "flaky both"}, {"merge": "flaky both"}, {"split": "flaky both", "last": "flaky both"})


def test_what_is_given_beside_a_returned_value_is_not_taken_for_stored() -> None:
    assert list(walks(count=300, styles=GIVEN_BESIDE)) == []


def test_of_what_a_route_spreads_a_part_is_not_taken_for_all() -> None:
    split = Task(name="split", script="s.py", children=(HOME, "last"), route="by_key")
    graph = TaskGraph({"split": split, "last": Task(name="last", script="s.py", children=(HOME,))}, ("split",))
    assert list(walks(count=300, styles=({"split": "flaky spread"},), graph=graph)) == []


def task(name: str, *children: str, **more: Any) -> Task:
    return Task(name=name, script="s.py", children=children, **more)


def between(join: str | int, *branches: Task) -> TaskGraph:
    """Branches between a fork and a join."""
    given = {child for each in branches for child in each.children}
    split = task("split", *(each.name for each in branches if each.name not in given))
    tasks = [split, *branches, task("merge", HOME, join=join)]
    return TaskGraph({each.name: each for each in tasks}, ("split",))


@pytest.mark.parametrize(("join", "others"), [("any", 1), (2, 2)])
def test_of_a_join_that_can_do_without_the_item_what_others_dropped_is_not_taken_for_given(
    join: str | int, others: int
) -> None:
    dropping = [task(name, "merge") for name in ("u", "v")[:others]]
    graph = between(join, task("t", "merge", HOME), *dropping)
    assert list(walks(count=200, styles=({"t": "flaky", "u": "filter"},), graph=graph)) == []


def test_between_a_fork_and_its_join_one_child_of_a_route_is_not_taken_for_all() -> None:
    left, right = task("left", "up", "down", route="by_key"), task("right", "merge")
    graph = between("any", left, right, *(task(name, "merge", HOME) for name in ("up", "down")))
    assert list(walks(count=400, styles=({"left": "flaky spread"},), graph=graph)) == []


FLAKY = ({"left": "flaky", "last": "flaky"}, {"split": "flaky", "merge": "flaky", "last": "two"}, {"last": "flaky two"})


@pytest.mark.parametrize("rule", ["has_letter", "has_ended"])
def test_when_nobody_looks_what_other_attempts_came_to_an_item_ends_twice(
    monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    assert list(walks(count=100, styles=FLAKY)) == []
    monkeypatch.setattr(protocol_decisions, rule, lambda world, task, job: False)  # the walk's own check has its own
    assert "ended twice" in next(walks(styles=FLAKY))


def test_when_a_head_takes_what_others_have_read_for_new_an_item_ends_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Head, "begin", lambda self: None)
    assert any("ended twice" in breach for breach in walks(Faults(head_crash=3), styles=FLAKY))


def test_when_parts_of_attempts_that_are_over_still_leave_they_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Outbox, "drop", lambda self, head, over: None)
    assert any("never ends" in breach for breach in walks(styles=FLAKY))
