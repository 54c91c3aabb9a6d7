"""Who counts as gone, as one listener knows it."""

from __future__ import annotations

from runtime.hearing import Hearing


def hearing() -> Hearing:
    return Hearing(lease_s=5.0, pause_s=2.0)


def test_who_is_silent_while_others_are_heard_is_gone() -> None:
    heard = hearing()
    heard.hear("a", 0.0)
    for now_s in range(7):
        heard.hear("b", float(now_s))
    assert heard.silent(4.9) == frozenset()
    assert heard.silent(6.0) == {"a"}


def test_who_has_left_is_not_waited_for() -> None:
    heard = hearing()
    heard.hear("a", 0.0)
    heard.forget("a")
    heard.forget("nobody")
    for now_s in range(10):
        heard.hear("b", float(now_s))
    assert heard.silent(9.0) == frozenset()


def test_while_nobody_is_heard_nobody_is_gone() -> None:
    heard = hearing()
    heard.hear("a", 0.0)
    heard.hear("b", 0.5)
    assert heard.silent(60.0) == frozenset()


def test_after_a_pause_everybody_has_the_whole_lease_again() -> None:
    heard = hearing()
    heard.hear("a", 0.0)
    heard.hear("b", 0.5)
    for tenths in range(600, 649):
        heard.hear("b", tenths / 10)
    assert heard.silent(64.8) == frozenset()
    heard.hear("b", 65.1)
    assert heard.silent(65.1) == {"a"}
