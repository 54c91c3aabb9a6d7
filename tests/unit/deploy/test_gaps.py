"""What a listener missed is counted, whoever left it out, and whoever began or ended meanwhile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.gaps import Gaps


@given(st.dictionaries(st.sampled_from("abc"), st.lists(st.booleans(), max_size=20), min_size=1))
def test_what_did_not_come_is_counted_up_to_the_last_that_came(lives: dict[str, list[bool]]) -> None:
    gaps = Gaps()
    missed = 0
    for incarnation, comes in lives.items():
        for number, does_come in enumerate(comes, 1):
            if does_come:
                missed += gaps.hear(f"{incarnation} {number}")
    expected = sum(
        len(comes) - comes[::-1].index(True) - sum(comes) for comes in lives.values() if any(comes)
    )  # the absent ones before the last that came
    assert missed == expected


def test_what_a_worker_gave_before_it_answered_is_not_missed() -> None:
    gaps = Gaps()
    gaps.expect(["w-1", "w-2"])
    assert gaps.silent == ["w-1", "w-2"]
    gaps.answer("w-1 100")
    assert gaps.silent == ["w-2"]
    assert gaps.hear("w-1 101") == 0
    assert gaps.hear("w-1 104") == 2
    gaps.answer("w-1 110")  # asked again, after our connection was lost
    assert gaps.hear("w-1 111") == 6


def test_of_one_that_never_answers_only_what_follows_is_known() -> None:
    gaps = Gaps()
    gaps.expect(["w-1"])
    assert gaps.hear("w-1 500") == 0
    assert gaps.silent == []
    assert gaps.hear("w-1 502") == 1


def test_what_waited_for_the_answer_comes_after_it_and_is_no_gap() -> None:
    gaps = Gaps()
    gaps.answer("w-1 8")
    assert [gaps.hear(f"w-1 {number}") for number in (6, 7, 8, 9)] == [0, 0, 0, 0]


@pytest.mark.parametrize("mark", ["", "w-1", "w-1 x"])
def test_what_no_worker_wrote_is_refused(mark: str) -> None:
    with pytest.raises(ValueError):
        Gaps().hear(mark)
