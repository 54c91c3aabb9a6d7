"""When a mapping in force is left for a better one, and when not."""

from __future__ import annotations

from dataclasses import replace

from mapper.decide import COOLDOWN_S, Hesitation, Occasion, differs
from tests.unit.mapper import problems

HERE, THERE = {"a": "n1", "b": "n1"}, {"a": "n2", "b": "n1"}


def reasons(hesitation: Hesitation, *pairs: tuple[float, float], now_s: float = 0.0) -> list[str]:
    return [hesitation.reason_to_stay(now_s, current, candidate, HERE, THERE) for current, candidate in pairs]


def test_a_clear_gain_must_be_seen_three_times_in_a_row() -> None:
    found = reasons(Hesitation(), *[(1.0, 0.8)] * 3)
    assert found == ["better for the 1. time of 3", "better for the 2. time of 3", ""]
    interrupted = reasons(Hesitation(), (1.0, 0.8), (1.0, 0.8), (1.0, 0.95), (1.0, 0.8))
    assert interrupted[2] == "a gain of 0.05 s of 1 s is too little"
    assert interrupted[3] == "better for the 1. time of 3"


def test_an_event_need_be_seen_only_once() -> None:
    assert Hesitation().reason_to_stay(0.0, 1.0, 0.8, HERE, THERE, is_event=True) == ""


def test_microseconds_are_no_gain() -> None:
    assert "too little" in reasons(Hesitation(), (100e-6, 20e-6))[0]


def test_what_never_pays_is_not_done() -> None:
    many = {f"t{index}": "n2" for index in range(100)}
    said = Hesitation().reason_to_stay(0.0, 1.0, 0.8, dict.fromkeys(many, "n1"), many)
    assert said == "moving costs 200 s, and within 600 s less is gained"


def test_after_a_move_there_is_a_pause_that_doubles_when_the_move_is_undone() -> None:
    hesitation = Hesitation()
    hesitation.moved(0.0, HERE, THERE)
    assert reasons(hesitation, *[(1.0, 0.5)] * 3, now_s=20.0)[2] == "the last move was too short ago: 10 s more"
    assert reasons(hesitation, (1.0, 0.5), now_s=31.0) == [""]
    hesitation.moved(31.0, THERE, HERE)
    assert hesitation.quiet_until_s == 31.0 + 2 * COOLDOWN_S
    hesitation.moved(1000.0, HERE, THERE)
    assert hesitation.quiet_until_s == 1000.0 + COOLDOWN_S


def test_evaluations_come_with_changes_and_with_the_timer() -> None:
    problem = problems.topcuoglu2002()
    slower = replace(problem, exec_s=problem.exec_s * 1.2)
    occasion = Occasion()
    assert occasion.is_due(0.0, problem, 0)
    assert occasion.is_early(4.0)
    assert not occasion.is_due(4.0, slower, 0)
    assert not occasion.is_due(6.0, problem, 0)
    assert occasion.is_due(7.0, problem, 1)
    assert occasion.is_due(13.0, slower, 0)
    assert not occasion.is_due(40.0, slower, 0)
    assert occasion.is_due(43.0, slower, 0)


def test_little_changes_are_none() -> None:
    problem = problems.sparse()
    assert not differs(problem, replace(problem, exec_s=problem.exec_s * 1.04))
    assert differs(problem, replace(problem, cores=(2.0, *problem.cores[1:])))
    cut = problem.latency_s.copy(), problem.inverse_bandwidth_s_per_byte.copy()
    for array in cut:
        array[3, 4] = float("inf")
    assert differs(problem, replace(problem, latency_s=cut[0], inverse_bandwidth_s_per_byte=cut[1]))
