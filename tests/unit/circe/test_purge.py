"""Results leave the egress only when nothing can bring them a second time, and always once nothing can."""

from __future__ import annotations

from circe.purge import KEEP_S, Origin, Purge
from runtime.network import HOME


def given(*results: tuple[int, int]) -> list[Origin]:
    """Results as (sequence, sequence of the input)."""
    return [Origin(sequence, HOME, root) for sequence, root in results]


def test_an_acknowledged_result_goes_when_its_inputs_ended_long_enough_ago() -> None:
    purge = Purge()
    assert purge.observe(0.0, results_floor=10, last_taken={HOME: 20}, oldest_open={HOME: 15}) is None
    assert purge.observe(KEEP_S + 1, results_floor=10, last_taken={HOME: 30}, oldest_open={HOME: 20}) is None
    assert purge.observe(KEEP_S + 2, results_floor=10, last_taken={HOME: 30}, oldest_open={HOME: 21}) is None
    assert purge.observe(2 * KEEP_S + 1, results_floor=10, last_taken={HOME: 30}, oldest_open={HOME: 31}) is None
    assert purge.observe(2 * KEEP_S + 3, results_floor=10, last_taken={HOME: 30}, oldest_open={HOME: 31}) == 10
    assert purge.observe(2 * KEEP_S + 4, results_floor=10, last_taken={HOME: 30}, oldest_open={HOME: 31}) is None


def test_time_alone_is_not_enough_and_neither_are_ended_inputs() -> None:
    purge = Purge()
    assert purge.observe(0.0, results_floor=5, last_taken={HOME: 5}, oldest_open={HOME: 6}) is None
    assert purge.observe(KEEP_S - 1, results_floor=5, last_taken={HOME: 5}, oldest_open={HOME: 6}) is None
    stuck = Purge()
    for now_s in (0.0, 100.0, 200.0):
        assert stuck.observe(now_s, results_floor=5, last_taken={HOME: 5}, oldest_open={HOME: 5}) is None


def test_later_results_wait_for_their_own_time() -> None:
    purge = Purge()
    purge.observe(0.0, results_floor=5, last_taken={HOME: 5}, oldest_open={HOME: 6})
    purge.observe(30.0, results_floor=9, last_taken={HOME: 9}, oldest_open={HOME: 10})
    assert purge.observe(KEEP_S + 1, results_floor=9, last_taken={HOME: 9}, oldest_open={HOME: 10}) == 5
    assert purge.observe(KEEP_S + 31, results_floor=9, last_taken={HOME: 9}, oldest_open={HOME: 10}) == 9


def test_nothing_acknowledged_purges_nothing() -> None:
    purge = Purge()
    for now_s in (0.0, 100.0, 200.0):
        assert purge.observe(now_s, results_floor=0, last_taken={HOME: 9}, oldest_open={HOME: 10}) is None
        assert purge.examine(given((1, 1), (2, 2))) is None
    assert not purge.is_behind


def test_a_full_egress_lets_go_what_has_ended_although_what_is_under_way_waits_for_room() -> None:
    purge = Purge()
    # 30 inputs are in the queue; 1 to 9 have ended, 10 waits for room, and so does everything behind it.
    for now_s in (0.0, KEEP_S / 2, KEEP_S + 1):
        assert purge.observe(now_s, results_floor=12, last_taken={HOME: 30}, oldest_open={HOME: 10}) is None
    assert purge.is_behind
    results = [(number, number) for number in range(1, 10)] + [(10, 11), (11, 10)]
    assert purge.examine(given(*results)) == 9
    assert purge.examine(given(*results)) is None
    # There is room now: they end, and after a while they are let go as always.
    assert purge.observe(KEEP_S + 2, results_floor=40, last_taken={HOME: 30}, oldest_open={HOME: 31}) is None
    assert purge.observe(2 * KEEP_S + 3, results_floor=40, last_taken={HOME: 30}, oldest_open={HOME: 31}) == 40


def test_a_look_stops_at_what_was_not_read_and_at_what_ended_just_now() -> None:
    purge = Purge()
    purge.observe(0.0, results_floor=3, last_taken={HOME: 9}, oldest_open={HOME: 3})
    purge.observe(KEEP_S + 1, results_floor=3, last_taken={HOME: 9}, oldest_open={HOME: 8})
    assert purge.examine(given((1, 1), (2, 2), (3, 5))) == 2
    purge.observe(2 * KEEP_S + 2, results_floor=3, last_taken={HOME: 9}, oldest_open={HOME: 8})
    assert purge.examine(given((3, 5), (4, 6))) == 3


def test_results_of_every_queue_above_wait_for_its_inputs() -> None:
    purge = Purge()
    taken = {HOME: 5, "heavy": 4}
    assert purge.observe(0.0, 3, taken, {HOME: 6, "heavy": 2}) is None
    assert purge.observe(KEEP_S + 1, 3, taken, {HOME: 6, "heavy": 5}) is None
    assert purge.examine([Origin(1, "heavy", 1), Origin(2, HOME, 5), Origin(3, "heavy", 3)]) == 2
    assert purge.observe(2 * KEEP_S + 2, 3, taken, {HOME: 6, "heavy": 5}) == 3


def test_a_queue_that_has_just_come_has_ended_nothing_and_one_that_has_gone_keeps_nothing() -> None:
    purge = Purge()
    purge.observe(0.0, 0, {HOME: 5, "old": 9}, {HOME: 6, "old": 9})
    purge.observe(1.0, 3, {HOME: 5, "old": 9}, {HOME: 6, "old": 9})
    both = {HOME: 6, "new": 1}
    assert purge.observe(KEEP_S + 2, 3, {HOME: 5, "new": 0}, both) == 3
    assert purge.observe(KEEP_S + 3, 7, {HOME: 5, "new": 1}, both) is None
    assert purge.observe(2 * KEEP_S + 4, 7, {HOME: 5, "new": 1}, both) is None
    assert purge.observe(2 * KEEP_S + 5, 7, {HOME: 5, "new": 1}, {HOME: 6, "new": 2}) is None
    assert purge.observe(3 * KEEP_S + 6, 7, {HOME: 5, "new": 1}, {HOME: 6, "new": 2}) == 7
