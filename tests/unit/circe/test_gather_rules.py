"""The check of gathers can fail: with one rule taken away, it finds the breach."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from circe.gather import GatherHead
from circe.groups import State
from runtime.graph import Gather
from tests.unit.circe.gather_world import Faults, Process, World
from tests.unit.circe.protocol_world import BreachError


def walks(count: int = 1500, first: int = 0) -> Iterator[str]:
    """The breaches of seeded walks."""
    for seed in range(first, first + count):
        rng = Random(seed)
        rule = Gather(count=rng.choice([None, 2, 3]), within_s=rng.choice([0.1, 5.0]))
        try:
            World(seed, rule, Faults(5, lose=0, repeat=0, reconnect=0)).walk()
        except BreachError as breach:
            yield str(breach)


def test_with_every_rule_nothing_is_found() -> None:
    assert list(walks(count=100)) == []


def test_without_the_fence_a_process_that_was_replaced_closes_a_group_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep = World.keep

    def keep_always(world: World, process: Process) -> None:
        process.position = world.journal_position
        keep(world, process)

    monkeypatch.setattr(World, "keep", keep_always)
    assert next(walks(first=500))  # one walk in 200: the two must meet in few steps


def test_a_group_that_runs_before_the_journal_has_it_is_another_one_after_a_crash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    close = GatherHead._close

    def close_and_start(head: GatherHead, formed: object) -> None:
        close(head, formed)  # type: ignore[arg-type] # what it is called with
        for group in head._closing:
            head._run_group(group)
        head._closing.clear()

    monkeypatch.setattr(GatherHead, "_close", close_and_start)
    assert "and now" in next(walks())


def test_an_item_that_is_acknowledged_before_the_journal_has_its_end_is_gathered_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end = GatherHead._end

    def end_and_acknowledge(head: GatherHead, sequences: tuple[int, ...]) -> None:
        end(head, sequences)
        head._again += [head._held.pop(sequence) for sequence in head._ending]
        head._ending.clear()

    monkeypatch.setattr(GatherHead, "_end", end_and_acknowledge)
    assert next(walks())


def test_without_what_the_journal_says_of_the_ended_an_item_is_gathered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    recover = GatherHead.recover
    monkeypatch.setattr(
        GatherHead,
        "recover",
        lambda head, state, source, floor: recover(head, State(source, groups=state.groups), source, floor),
    )
    assert any(" is in " in breach for breach in walks())


def test_without_what_the_journal_says_of_closed_groups_their_members_are_grouped_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recover = GatherHead.recover
    monkeypatch.setattr(
        GatherHead,
        "recover",
        lambda head, state, source, floor: recover(head, state._replace(groups=()), source, floor),
    )
    assert next(walks())
