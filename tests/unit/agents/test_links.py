"""The link fit and the probe ladder, against links whose truth is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.links import CAP_BYTES, CHUNK_BYTES, FIRST_BYTES, LinkHistory, Train, fit, has_moved, next_bytes

rtts = st.floats(1e-5, 0.5)
rates = st.floats(1e4, 1e10)
trains = st.builds(
    Train,
    size_bytes=st.sampled_from([FIRST_BYTES, 64 << 10, 256 << 10, CAP_BYTES]),
    elapsed_s=st.floats(0, 20),
    tail_bytes=st.integers(0, CAP_BYTES),
    tail_s=st.floats(0, 20),
)


def train_on(size_bytes: int, rtt_s: float, rate: float, burst_bytes: int = 0) -> Train:
    """What a link with that truth (and a shaper that lets a burst through) answers."""
    return Train(size_bytes=size_bytes, elapsed_s=rtt_s + max(0, size_bytes - burst_bytes) / rate)


def measure(rtt_s: float, rate: float, burst_bytes: int = 0) -> LinkHistory:
    history = LinkHistory()
    history.ping_answered(rtt_s)
    while (size_bytes := history.next_bytes()) is not None:
        history.train_answered(train_on(size_bytes, rtt_s, rate, burst_bytes))
    history.round_ended()
    return history


@given(st.lists(st.floats(0, 5), min_size=1, max_size=20), st.lists(trains, min_size=1, max_size=20))
def test_whatever_was_sampled_the_estimate_is_a_link(rtts_s: list[float], found: list[Train]) -> None:
    estimate = fit(rtts_s, found)
    assert estimate is not None
    link = estimate.link()  # refuses negative latency and bandwidth that is not above zero
    sizes = [0, 1, 1000, 10**6, 10**9]
    times = [link.transfer_s(size) for size in sizes]
    assert times == sorted(times)
    low, high = estimate.bandwidth_low_bytes_per_s, estimate.bandwidth_high_bytes_per_s
    assert low <= estimate.bandwidth_bytes_per_s <= high


@given(rtts, rates)
def test_an_affine_link_is_found_again(rtt_s: float, rate: float) -> None:
    estimate = measure(rtt_s, rate).estimate()
    assert estimate is not None
    assert estimate.latency_s == pytest.approx(rtt_s / 2)
    if CAP_BYTES / rate > rtt_s / 1e6:  # otherwise the bytes drown in the rounding of the latency
        assert estimate.bandwidth_bytes_per_s == pytest.approx(rate, rel=0.02)


@pytest.mark.parametrize("mbit_per_s", [1, 10, 50])
def test_a_shapers_burst_is_not_taken_for_bandwidth(mbit_per_s: int) -> None:
    rate = mbit_per_s * 125_000
    estimate = measure(0.02, rate, burst_bytes=12_000).estimate()
    assert estimate is not None
    assert estimate.bandwidth_bytes_per_s == pytest.approx(rate, rel=0.05)


@given(rtts, rates)
def test_the_ladder_ends_soon_and_sends_little(rtt_s: float, rate: float) -> None:
    found: list[Train] = []
    while (size_bytes := next_bytes(found, rtt_s)) is not None:
        assert size_bytes <= CAP_BYTES
        found.append(train_on(size_bytes, rtt_s, rate))
        assert len(found) <= 8
    assert len({train.size_bytes for train in found}) >= 2


def test_a_slow_link_is_not_sent_a_large_probe() -> None:
    found = [train_on(FIRST_BYTES, 0.01, 10_000)]
    assert next_bytes(found, 0.01) == FIRST_BYTES // 4


def test_repeats_that_never_agree_end_too() -> None:
    found: list[Train] = []
    for n in range(50):
        size_bytes = next_bytes(found, 0.001)
        if size_bytes is None:
            break
        found.append(Train(size_bytes=size_bytes, elapsed_s=0.001 + size_bytes / 1e8 * 2**n))
    else:
        pytest.fail("the ladder does not end")


def test_losses_make_a_link_stale_then_down_and_an_answer_makes_it_well() -> None:
    history = measure(0.01, 1e6)
    states = []
    for _ in range(3):
        history.lost()
        estimate = history.estimate()
        assert estimate is not None
        states.append(estimate.state)
    assert states == ["stale", "stale", "down"]
    history.ping_answered(0.01)
    after = history.estimate()
    assert after is not None and after.state == "ok"
    assert after.bandwidth_bytes_per_s == pytest.approx(1e6, rel=0.01)


def test_a_peer_that_never_answered_is_unknown_then_down() -> None:
    history = LinkHistory()
    assert history.estimate() is None
    for _ in range(3):
        history.lost()
    estimate = history.estimate()
    assert estimate is not None and estimate.state == "down" and estimate.samples == 0


def test_a_new_round_replaces_the_old_one() -> None:
    history = measure(0.01, 1e6)
    while (size_bytes := history.next_bytes()) is not None:
        history.train_answered(train_on(size_bytes, 0.01, 5e5))
    history.round_ended()
    estimate = history.estimate()
    assert estimate is not None and estimate.bandwidth_bytes_per_s == pytest.approx(5e5, rel=0.01)


def test_only_what_matters_counts_as_moved() -> None:
    before, near, far = (measure(0.01, rate).estimate() for rate in (1e6, 1.02e6, 2e6))
    assert before and near and far
    assert has_moved(None, before)
    assert not has_moved(before, near)
    assert has_moved(before, far)


def test_a_hub_that_stores_and_forwards_is_measured_as_the_data_crosses_it() -> None:
    """Behind a hub a single message pays both legs in full; a train keeps both busy."""
    rate, rtt_s = 1.25e6, 0.001
    history = LinkHistory()
    history.ping_answered(rtt_s)
    while (size_bytes := history.next_bytes()) is not None:
        first_leg_s = min(size_bytes, CHUNK_BYTES) / rate
        history.train_answered(Train(size_bytes=size_bytes, elapsed_s=rtt_s + first_leg_s + size_bytes / rate))
    history.round_ended()
    estimate = history.estimate()
    assert estimate is not None
    assert estimate.bandwidth_bytes_per_s == pytest.approx(rate, rel=0.01)
