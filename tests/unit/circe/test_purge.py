"""Results leave the egress only when nothing can bring them a second time."""

from __future__ import annotations

from circe.purge import KEEP_S, Purge


def test_an_acknowledged_result_goes_when_its_inputs_have_ended_and_time_has_passed() -> None:
    purge = Purge()
    assert purge.observe(0.0, results_floor=10, last_taken=20, oldest_open=15) is None
    assert purge.observe(KEEP_S + 1, results_floor=10, last_taken=30, oldest_open=20) is None
    assert purge.observe(KEEP_S + 2, results_floor=10, last_taken=30, oldest_open=21) == 10
    assert purge.observe(KEEP_S + 3, results_floor=10, last_taken=30, oldest_open=31) is None


def test_time_alone_is_not_enough_and_neither_are_ended_inputs() -> None:
    purge = Purge()
    assert purge.observe(0.0, results_floor=5, last_taken=5, oldest_open=6) is None
    assert purge.observe(KEEP_S - 1, results_floor=5, last_taken=5, oldest_open=6) is None


def test_later_results_wait_for_their_own_time() -> None:
    purge = Purge()
    purge.observe(0.0, results_floor=5, last_taken=5, oldest_open=6)
    purge.observe(30.0, results_floor=9, last_taken=9, oldest_open=10)
    assert purge.observe(KEEP_S + 1, results_floor=9, last_taken=9, oldest_open=10) == 5
    assert purge.observe(KEEP_S + 31, results_floor=9, last_taken=9, oldest_open=10) == 9


def test_nothing_acknowledged_purges_nothing() -> None:
    purge = Purge()
    for now_s in (0.0, 100.0, 200.0):
        assert purge.observe(now_s, results_floor=0, last_taken=9, oldest_open=10) is None
