"""Results leave in the order of their inputs, each once, whatever came when."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from deploy.positions import Counted, Positions
from deploy.reorder import Reorder, output_order


def test_a_result_waits_for_earlier_inputs() -> None:
    reorder: Reorder[str] = Reorder(Counted(0), 0)
    reorder.take(1, 2, "r-2", "end", "second")
    assert reorder.release(1) == []
    reorder.take(2, 1, "r-1", "end", "first")
    assert reorder.release(2) == [(1, "first")]
    assert reorder.release(3) == [(2, "second")]


def test_a_filtered_input_holds_nobody_up() -> None:
    reorder: Reorder[str] = Reorder(Counted(10), 0)
    reorder.take(1, 13, "r-13", "end", "third")
    assert reorder.release(14) == [(3, "third")]


def test_results_of_one_input_follow_the_numbers_of_their_ids() -> None:
    reorder: Reorder[str] = Reorder(Counted(0), 0)
    for sequence, name in enumerate(("r-1.10", "r-1.2", "r-1.1.2", "r-1.1.1"), 1):
        reorder.take(sequence, 1, name, "end", name)
    assert [value for _, value in reorder.release(2)] == ["r-1.1.1", "r-1.1.2", "r-1.2", "r-1.10"]


def test_order_of_outputs_is_by_number() -> None:
    assert output_order("run-~some=2Eid") == ()
    assert output_order("run-7.2.10") == (2, 10)


def test_what_comes_again_is_known() -> None:
    reorder: Reorder[str] = Reorder(Counted(0), 0)
    assert reorder.take(1, 1, "r-1", "end", "x")
    assert not reorder.take(1, 1, "r-1", "end", "x")
    assert reorder.take(3, 3, "r-3", "end", "z")
    assert not reorder.take(3, 3, "r-3", "end", "z")
    assert reorder.read_up_to == 1


def test_what_the_egress_no_longer_holds_is_not_waited_for() -> None:
    reorder: Reorder[str] = Reorder(Counted(0), 0)
    reorder.take(5, 1, "r-1", "end", "x")
    assert reorder.read_up_to == 0
    reorder.skip(5)
    assert reorder.read_up_to == 5


def test_a_result_faster_than_the_answer_to_its_input_is_ours_all_the_same() -> None:
    positions = Positions()
    positions.send(1)
    reorder: Reorder[str] = Reorder(positions, 0)
    reorder.take(1, 7, "r-7", "end", "x")
    assert reorder.release(8) == []
    positions.stored(1, 7)
    assert reorder.release(8) == [(1, "x")]


def test_what_others_put_in_has_no_position() -> None:
    positions = Positions()
    positions.send(1)
    positions.stored(1, 2)
    reorder: Reorder[str] = Reorder(positions, 0)
    reorder.take(1, 1, "r-1", "end", "theirs")
    reorder.take(2, 2, "r-2", "end", "ours")
    assert reorder.release(3) == [(1, "ours"), (None, "theirs")]


@given(count=st.integers(1, 40), seed=st.integers(0, 10_000), outputs=st.integers(0, 3))
def test_any_order_of_ends_gives_the_order_of_inputs(count: int, seed: int, outputs: int) -> None:
    """Inputs end in any order; some give several results or none; looks come at any moment."""
    draw = random.Random(seed)
    reorder: Reorder[tuple[int, int]] = Reorder(Counted(0), 0)
    waiting = list(range(1, count + 1))
    draw.shuffle(waiting)
    ended: set[int] = set()
    written: list[tuple[int, int]] = []
    expected = []
    sequence = 0
    for root in waiting:
        numbers = list(range(1, draw.randint(0, outputs) + 1))
        expected += [(root, number) for number in numbers]
        draw.shuffle(numbers)
        for number in numbers:
            sequence += 1
            reorder.take(sequence, root, f"r-{root}.{number}", "end", (root, number))
        ended.add(root)
        if draw.random() < 0.5:
            first = next(root for root in range(1, count + 2) if root not in ended)
            written += [value for _, value in reorder.release(first)]
    written += [value for _, value in reorder.release(count + 1)]
    assert written == sorted(expected)
    assert len(reorder) == 0
