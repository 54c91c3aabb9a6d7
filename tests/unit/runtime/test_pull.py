"""What a standing pull asks for, against a model of the server."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from runtime.pull import BACK_OFF_MOST_S, PullRequest, PullState

HEARTBEAT_S = 5.0


def wanting(count: int) -> PullState:
    state = PullState(HEARTBEAT_S)
    state.want(count, 0)
    return state


def test_nothing_wanted_nothing_asked() -> None:
    state = PullState(HEARTBEAT_S)
    assert state.step(0.0) is None
    assert state.wake_s(0.0) is None


def test_refilled_at_one_half() -> None:
    state = wanting(10)
    assert state.step(0.0) == PullRequest(0, 10, 0)
    for _ in range(4):
        state.delivered(0, 1.0)
    state.want(10, 0)
    assert state.step(1.0) is None, "six are still to come"
    state.delivered(0, 1.0)
    state.want(10, 0)
    assert state.step(1.0) == PullRequest(0, 5, 0)


def test_no_more_is_asked_than_wanted() -> None:
    state = wanting(3)
    assert state.step(0.0) == PullRequest(0, 3, 0)
    for _ in range(3):
        state.delivered(0, 0.0)
    assert (state.wanted, state.outstanding) == (0, 0)
    assert state.step(0.0) is None


def test_an_expired_request_is_asked_for_again_at_once() -> None:
    state = wanting(10)
    state.step(0.0)
    state.delivered(0, 1.0)
    state.status(0, 408, "Request Timeout", 9, 30.0)
    assert state.outstanding == 0
    assert state.step(30.0) == PullRequest(0, 9, 0)


def test_two_missed_heartbeats_begin_a_new_generation() -> None:
    state = wanting(10)
    state.step(0.0)
    state.status(0, 100, "Idle Heartbeat", None, 5.0)
    wake_s = state.wake_s(5.0)
    assert wake_s is not None
    assert 15.0 < wake_s < 15.1
    assert state.step(14.9) is None
    assert state.step(wake_s) is None, "the shell listens to the new generation first"
    assert state.generation == 1
    assert state.step(wake_s) == PullRequest(1, 10, 0)


def test_what_comes_late_from_an_old_generation_is_taken_and_its_status_is_not() -> None:
    state = wanting(10)
    state.step(0.0)
    state.restart(1.0)
    assert state.step(1.0) == PullRequest(1, 10, 0)
    state.delivered(0, 1.0)
    state.status(0, 408, "Request Timeout", 9, 1.0)
    assert (state.wanted, state.outstanding, state.generation) == (9, 10, 1)


def test_trouble_backs_off_and_ends_with_a_delivery() -> None:
    state = wanting(1)
    now_s, waits_s = 0.0, []
    for _ in range(10):
        assert state.step(now_s) is not None
        state.status(state.generation, 503, "", None, now_s)
        assert state.trouble == "503"
        wake_s = state.wake_s(now_s)
        assert wake_s is not None
        waits_s.append(wake_s - now_s)
        now_s = wake_s
    assert waits_s == sorted(waits_s)
    assert waits_s[-1] == BACK_OFF_MOST_S
    state.step(now_s)
    state.delivered(state.generation, now_s)
    assert state.trouble == ""


def test_the_request_as_the_server_reads_it() -> None:
    body = json.loads(PullRequest(0, 7, 1000).encode(30.0, 5.0))
    assert body == {"batch": 7, "expires": 30_000_000_000, "idle_heartbeat": 5_000_000_000, "max_bytes": 1000}
    assert "max_bytes" not in json.loads(PullRequest(0, 7, 0).encode(30.0, 5.0))


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("want"), st.integers(0, 20)),
        st.tuples(st.just("deliver"), st.integers(1, 10)),
        st.tuples(st.just("expire"), st.just(0)),
        st.tuples(st.just("lose"), st.just(0)),
        st.tuples(st.just("shutdown"), st.just(0)),
    )
)


@given(EVENTS)
def test_outstanding_is_what_the_server_still_owes(events: list[tuple[str, int]]) -> None:
    state = PullState(HEARTBEAT_S)
    now_s, most_wanted = 0.0, 0
    requests: list[int] = []  # what the server owes of each request of this generation

    def ask() -> None:
        request = state.step(now_s) or state.step(now_s)
        if request is not None:
            assert request.generation == state.generation
            requests.append(request.count)
        assert state.outstanding == sum(requests)
        assert state.outstanding <= most_wanted

    for what, number in events:
        now_s += 0.001
        if what == "want":
            state.want(number, 0)
            most_wanted = max(most_wanted, number)
        elif what == "deliver":
            for _ in range(min(number, sum(requests))):
                owed = next(k for k, count in enumerate(requests) if count)
                requests[owed] -= 1
                state.delivered(state.generation, now_s)
        elif what == "expire" and requests:
            state.status(state.generation, 408, "Request Timeout", requests.pop(0), now_s)
        elif what == "lose":
            requests.clear()
            now_s += 2 * HEARTBEAT_S + 1
            if state.outstanding:
                assert state.step(now_s) is None
        elif what == "shutdown":
            requests.clear()
            state.status(state.generation, 409, "Server Shutdown", None, now_s)
            now_s += BACK_OFF_MOST_S
        ask()
    if state.wanted > state.outstanding and not state.outstanding:
        assert state.step(now_s + BACK_OFF_MOST_S) is not None, "it would wait for ever"
