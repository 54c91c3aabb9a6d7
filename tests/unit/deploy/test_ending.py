"""Up to where everything has ended, when what has left one queue is still in the next."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deploy.ending import Passage


def test_an_empty_queue_lets_pass_what_comes() -> None:
    passage = Passage()
    assert passage.look(bound=1, last=0, floor=0) == 1
    assert passage.look(bound=8, last=20, floor=20) == 8


def test_what_a_queue_held_must_have_ended() -> None:
    passage = Passage()
    assert passage.look(bound=5, last=10, floor=3) == 0
    assert passage.look(bound=9, last=30, floor=9) == 0
    assert passage.look(bound=9, last=30, floor=10) == 5
    assert passage.look(bound=12, last=40, floor=30) == 9
    assert passage.look(bound=12, last=40, floor=40) == 12


@given(st.lists(st.sampled_from(["enter", "pass", "end", "look"]), max_size=60))
def test_no_input_counts_as_ended_before_it_is_and_in_the_end_all_do(steps: list[str]) -> None:
    passage = Passage()
    entered, passed, ended = 0, 0, 0  # of inputs that give one item each, in order
    for step in steps:
        entered += step == "enter"
        passed += step == "pass" and passed < entered
        ended += step == "end" and ended < passed
        if step == "look":
            assert passage.look(passed + 1, passed, ended) <= ended + 1
    passage.look(entered + 1, entered, entered)
    assert passage.look(entered + 1, entered, entered) == entered + 1
