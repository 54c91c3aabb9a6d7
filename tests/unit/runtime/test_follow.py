"""What a follower reports, and what it looks at again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtime.follow import RETRY_DELAYS_S, FollowState, Hints
from runtime.message import Record


def record(subject: str, sequence: int, payload: bytes = b"x") -> Record:
    return Record(subject, payload, sequence, float(sequence))


def test_only_what_is_newer_is_news() -> None:
    state = FollowState()
    first = record("a", 5)
    assert state.take(first) is first
    assert state.take(first) is None
    assert state.take(record("a", 4)) is None
    assert state.take(record("a", 6, b"y")) == record("a", 6, b"y")


def test_an_empty_payload_is_gone_once() -> None:
    state = FollowState()
    assert state.take(record("never", 3, b"")) is None
    state.take(record("a", 5))
    gone = state.take(record("a", 7, b""))
    assert gone is not None
    assert (gone.payload, gone.sequence) == (None, 7)
    assert state.take(record("a", 5)) is None, "a replica that is behind"
    assert state.take(record("a", 8)) is not None


def test_doubt_is_settled_by_the_leader() -> None:
    state = FollowState()
    for name, sequence in (("a", 5), ("b", 6), ("c", 7)):
        state.take(record(name, sequence))
    snapshot = [record("a", 5), record("b", 2, b"older")]
    assert state.doubtful(snapshot) == ["b", "c"]
    assert state.settle("b", record("b", 6)) is None, "the leader knows what we know"
    assert state.settle("b", record("b", 2, b"older")) == record("b", 2, b"older"), "a stream made anew"
    gone = state.settle("c", None)
    assert gone is not None
    assert gone.payload is None
    assert state.settle("c", None) is None
    assert state.doubtful([record("a", 5), record("b", 2), record("c", 7)]) == ["c"], "gone, and there again?"


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 9), st.sampled_from([b"", b"1", b"2"]))))
def test_reports_never_go_backwards(reads: list[tuple[str, int, bytes]]) -> None:
    state, last = FollowState(), {"a": 0, "b": 0}
    present: dict[str, bytes] = {}
    for subject, sequence, payload in reads:
        report = state.take(record(subject, sequence, payload))
        if report is None:
            continue
        assert report.sequence > last[subject]
        last[subject] = report.sequence
        if report.payload is None:
            del present[subject]
        else:
            present[subject] = report.payload


def test_a_hint_is_read_until_it_is_found() -> None:
    hints = Hints()
    hints.add("a", b"new", 1.0)
    assert hints.due(1.0) == ["a"]
    hinted = hints.expected("a")
    assert hinted == b"new"
    hints.answered("a", hinted, b"old", 1.0)
    assert hints.due(1.0) == []
    assert hints.next_s() == 1.0 + RETRY_DELAYS_S[0]
    hints.answered("a", hinted, b"new", 1.1)
    assert hints.next_s() is None


def test_a_hint_that_never_comes_true_is_given_up() -> None:
    hints = Hints()
    hints.add("a", b"refused", 0.0)
    tries, now_s = 0, 0.0
    while (due_s := hints.next_s()) is not None:
        now_s, tries = due_s, tries + 1
        hints.answered("a", hints.expected("a") or b"", b"old", now_s)
    assert tries == len(RETRY_DELAYS_S) + 1
    assert now_s < 2.0


def test_a_newer_hint_while_reading_is_read_too() -> None:
    hints = Hints()
    hints.add("a", b"1", 0.0)
    hinted = hints.expected("a")
    assert hinted is not None
    hints.add("a", b"2", 0.0)
    hints.answered("a", hinted, b"1", 0.0)
    assert hints.due(0.0) == ["a"]
    assert hints.expected("a") == b"2"


def test_clearing_forgets_everything() -> None:
    hints = Hints()
    hints.add("a", b"1", 0.0)
    assert hints.clear() == {"a": b"1"}
    assert hints.next_s() is None
