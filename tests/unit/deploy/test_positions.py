"""Sequences of the ingress back to places in the input."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from deploy.positions import Counted, Positions


def test_counted_positions_begin_with_one() -> None:
    places = Counted(100)
    assert places.position(101) == 1
    assert places.floor(101) == 1
    assert places.floor(103) == 3


def test_nothing_can_be_written_before_anything_is_stored() -> None:
    positions = Positions()
    positions.send(5)
    assert positions.floor(1000) == 1
    assert not positions.is_settled


def test_an_input_stored_late_holds_up_its_successors() -> None:
    positions = Positions()
    assert positions.send(3) == 1
    for position, sequence in ((2, 1), (3, 2)):
        positions.stored(position, sequence)
    assert positions.floor(3) == 1
    positions.stored(1, 3)
    assert positions.floor(3) == 1
    assert positions.floor(4) == 4
    assert positions.is_settled


def test_what_is_forgotten_is_not_asked_for_again() -> None:
    positions = Positions()
    positions.send(2)
    positions.stored(1, 1)
    positions.stored(2, 9)
    positions.forget(5)
    assert positions.position(1) is None
    assert positions.position(9) == 2
    assert positions.floor(5) == 2


@given(count=st.integers(1, 60), seed=st.integers(0, 10_000), disorder=st.integers(0, 10))
def test_floor_and_positions_are_those_of_a_plain_table(count: int, seed: int, disorder: int) -> None:
    draw = random.Random(seed)
    positions = Positions()
    positions.send(count)
    # Nearly in order, with the sequences of others in between, answered in any order.
    order = sorted(range(1, count + 1), key=lambda position: position + draw.randint(0, disorder))
    sequence, table = 0, {}
    for position in order:
        sequence += 1 + (draw.random() < 0.2)
        table[position] = sequence
    answers = list(table.items())
    draw.shuffle(answers)
    known: dict[int, int] = {}
    for position, stored_as in answers:
        positions.stored(position, stored_as)
        known[position] = stored_as
        first = draw.randint(1, sequence + 1)
        open_positions = [each for each in range(1, count + 1) if known.get(each, first) >= first]
        assert positions.floor(first) == min([*open_positions, count + 1])
    assert {positions.position(sequence): sequence for sequence in table.values()} == table
    assert positions.stored_count == count
