"""Every entry leaves exactly once: answered, late, or with all others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtime.publisher import TICK_S, PendingAnswers


def test_answered_once() -> None:
    pending: PendingAnswers[str] = PendingAnswers()
    pending.add(b"1", "one", 5.0)
    assert pending.take(b"1") == "one"
    assert pending.take(b"1") is None
    assert pending.expired(100.0) == []


def test_never_early_and_late_by_a_tick_at_most() -> None:
    pending: PendingAnswers[str] = PendingAnswers()
    pending.add(b"1", "one", 5.03)
    assert pending.expired(5.02) == []
    assert pending.expired(5.03 + TICK_S) == ["one"]
    assert len(pending) == 0


def test_all_leave_when_the_connection_ends() -> None:
    pending: PendingAnswers[str] = PendingAnswers()
    pending.add(b"1", "one", 5.0)
    pending.add(b"2", "two", 6.0)
    assert pending.take_all() == ["one", "two"]
    assert pending.expired(100.0) == []


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.floats(0.0, 3.0)),
        st.tuples(st.just("answer"), st.floats(0.0, 1.0)),
        st.tuples(st.just("wait"), st.floats(0.0, 1.0)),
        st.tuples(st.just("end"), st.just(0.0)),
    )
)


@given(STEPS)
def test_nothing_is_forgotten_or_leaves_twice(steps: list[tuple[str, float]]) -> None:
    pending: PendingAnswers[int] = PendingAnswers()
    now_s, left, added = 0.0, [], 0
    deadlines_s: dict[int, float] = {}
    for what, number in steps:
        if what == "add":
            deadlines_s[added] = now_s + number
            pending.add(b"%d" % added, added, deadlines_s[added])
            added += 1
        elif what == "answer":
            entry = pending.take(b"%d" % int(number * added))
            left += [] if entry is None else [entry]
        elif what == "end":
            left += pending.take_all()
        else:
            now_s += number
            late = pending.expired(now_s)
            assert all(deadlines_s[entry] <= now_s for entry in late)
            left += late
            waiting = set(range(added)) - set(left)
            assert all(deadlines_s[entry] > now_s - TICK_S for entry in waiting)
    left += pending.expired(now_s + 10.0)
    assert sorted(left) == list(range(added))
