"""Who was away for too long says nothing more."""

from __future__ import annotations

from circe.fence import CUT_OFF_S, Fence
from circe.pulse import BEAT_S, LEASE_S
from circe.purge import KEEP_S
from runtime.tcp import UNDER_WAY_S


def test_a_process_that_did_not_run_for_longer_than_its_lease_may_not_speak() -> None:
    fence = Fence(0.0)
    assert not fence.fault(LEASE_S, 0.0)
    assert "stalled" in fence.fault(LEASE_S + 0.1, 0.0)


def test_it_may_not_speak_again_either() -> None:
    fence = Fence(0.0)
    assert fence.ran(LEASE_S + 0.1, 0.0)
    assert fence.ran(LEASE_S + 0.2, LEASE_S + 0.2)
    fence.heard(LEASE_S + 0.2)
    assert fence.fault(LEASE_S + 0.3, LEASE_S + 0.3)


def test_one_that_somebody_else_has_spoken_for_is_not_away() -> None:
    fence, spoken_s = Fence(0.0), 10 * LEASE_S
    assert not fence.ran(spoken_s + 1.0, spoken_s)
    assert not fence.fault(spoken_s + 2.0, spoken_s)


def test_one_that_runs_and_is_not_answered_may_speak_for_a_while() -> None:
    fence, now_s = Fence(0.0), 0.0
    while now_s <= CUT_OFF_S:
        assert not fence.ran(now_s, 0.0)
        now_s += BEAT_S
    assert "cut off" in fence.ran(now_s, 0.0)


def test_an_answer_counts_from_when_it_was_asked_for() -> None:
    fence, now_s = Fence(0.0), 0.0
    while now_s < 2 * CUT_OFF_S - BEAT_S:
        assert not fence.ran(now_s, 0.0)
        now_s += BEAT_S
        fence.heard(min(now_s, CUT_OFF_S - BEAT_S))
    assert fence.ran(now_s + BEAT_S, 0.0)


def test_results_are_kept_until_the_last_word_of_who_was_cut_off_has_come() -> None:
    assert KEEP_S + LEASE_S > CUT_OFF_S + UNDER_WAY_S
