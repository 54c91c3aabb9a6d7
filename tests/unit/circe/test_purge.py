"""Results leave the egress only when nothing can bring them a second time, and always once nothing can."""

from __future__ import annotations

from circe.purge import KEEP_S, Purge


def test_an_acknowledged_result_goes_when_its_inputs_ended_long_enough_ago() -> None:
    purge = Purge()
    assert purge.observe(0.0, results_floor=10, last_taken=20, oldest_open=15) is None
    assert purge.observe(KEEP_S + 1, results_floor=10, last_taken=30, oldest_open=20) is None
    assert purge.observe(KEEP_S + 2, results_floor=10, last_taken=30, oldest_open=21) is None
    assert purge.observe(2 * KEEP_S + 1, results_floor=10, last_taken=30, oldest_open=31) is None
    assert purge.observe(2 * KEEP_S + 3, results_floor=10, last_taken=30, oldest_open=31) == 10
    assert purge.observe(2 * KEEP_S + 4, results_floor=10, last_taken=30, oldest_open=31) is None


def test_time_alone_is_not_enough_and_neither_are_ended_inputs() -> None:
    purge = Purge()
    assert purge.observe(0.0, results_floor=5, last_taken=5, oldest_open=6) is None
    assert purge.observe(KEEP_S - 1, results_floor=5, last_taken=5, oldest_open=6) is None
    stuck = Purge()
    for now_s in (0.0, 100.0, 200.0):
        assert stuck.observe(now_s, results_floor=5, last_taken=5, oldest_open=5) is None


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
        assert purge.examine([(1, 1), (2, 2)]) is None
    assert not purge.is_behind


def test_a_full_egress_lets_go_what_has_ended_although_what_is_under_way_waits_for_room() -> None:
    purge = Purge()
    # 30 inputs are in the queue; 1 to 9 have ended, 10 waits for room, and so does everything behind it.
    for now_s in (0.0, KEEP_S / 2, KEEP_S + 1):
        assert purge.observe(now_s, results_floor=12, last_taken=30, oldest_open=10) is None
    assert purge.is_behind
    results = [(number, number) for number in range(1, 10)] + [(10, 11), (11, 10)]
    assert purge.examine(results) == 9
    assert purge.examine(results) is None
    # There is room now: they end, and after a while they are let go as always.
    assert purge.observe(KEEP_S + 2, results_floor=40, last_taken=30, oldest_open=31) is None
    assert purge.observe(2 * KEEP_S + 3, results_floor=40, last_taken=30, oldest_open=31) == 40


def test_a_look_stops_at_what_was_not_read_and_at_what_ended_just_now() -> None:
    purge = Purge()
    purge.observe(0.0, results_floor=3, last_taken=9, oldest_open=3)
    purge.observe(KEEP_S + 1, results_floor=3, last_taken=9, oldest_open=8)
    assert purge.examine([(1, 1), (2, 2), (3, 5)]) == 2
    purge.observe(2 * KEEP_S + 2, results_floor=3, last_taken=9, oldest_open=8)
    assert purge.examine([(3, 5), (4, 6)]) == 3
