"""When a connection that says nothing is given up, and when it is only slow."""

from __future__ import annotations

from runtime.keepalive import BACKLOG_BYTES, SILENT_PINGS, UNANSWERED_PINGS, Keepalive


def pings_until_lost(keepalive: Keepalive, backlog_bytes: int = 0, *, hears: bool = False) -> int:
    for pings in range(100):
        if keepalive.is_lost(backlog_bytes):
            return pings
        if hears:
            keepalive.heard()
    return 100


def test_silence_is_lost_soon() -> None:
    assert pings_until_lost(Keepalive()) == SILENT_PINGS


def test_who_answers_is_never_lost() -> None:
    keepalive = Keepalive()
    for _ in range(100):
        assert not keepalive.is_lost(0)
        keepalive.answered()


def test_a_slow_line_is_not_silence_on_either_way() -> None:
    assert pings_until_lost(Keepalive(), BACKLOG_BYTES + 1) == UNANSWERED_PINGS
    assert pings_until_lost(Keepalive(), hears=True) == UNANSWERED_PINGS


def test_silence_counts_from_the_last_byte_and_the_end_of_the_backlog() -> None:
    keepalive = Keepalive()
    for _ in range(SILENT_PINGS):
        keepalive.is_lost(0)
    keepalive.heard()
    assert not keepalive.is_lost(0)
    assert not keepalive.is_lost(BACKLOG_BYTES + 1)
    assert pings_until_lost(keepalive) == SILENT_PINGS


def test_an_answer_counts_for_both() -> None:
    keepalive = Keepalive()
    for _ in range(UNANSWERED_PINGS):
        keepalive.is_lost(BACKLOG_BYTES + 1)
    keepalive.answered()
    assert pings_until_lost(keepalive, hears=True) == UNANSWERED_PINGS
