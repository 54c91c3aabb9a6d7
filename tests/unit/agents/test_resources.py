"""What a node says of itself."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.resources import Resources, smoothed

values = st.floats(0, 1e3)


@given(values, values, st.floats(1e-3, 100), st.floats(0.1, 100))
def test_the_average_stays_between_old_and_new(before: float, value: float, elapsed_s: float, tau_s: float) -> None:
    after = smoothed(before, value, elapsed_s, tau_s)
    assert min(before, value) - 1e-9 <= after <= max(before, value) + 1e-9


@given(values, values, st.floats(0.01, 10), st.floats(0.01, 10))
def test_two_samples_weigh_as_one_of_the_same_length(before: float, value: float, a_s: float, b_s: float) -> None:
    twice = smoothed(smoothed(before, value, a_s), value, b_s)
    assert math.isclose(twice, smoothed(before, value, a_s + b_s), rel_tol=1e-6, abs_tol=1e-9)


def test_the_first_sample_stands_for_itself() -> None:
    assert smoothed(None, 3.0, 0.1) == 3.0


def test_a_quota_bounds_cores_and_speed() -> None:
    whole, part = Resources().sample("n", "agent-1"), Resources(0.1).sample("n", "agent-2")
    assert part.cores == 0.1 < whole.cores
    assert part.quota_period_s == 0.01
    assert part.speed_score == pytest.approx(0.1 * whole.speed_score, rel=0.5)
    assert 0 <= whole.busy_cores <= whole.cores
    assert whole.memory_bytes > whole.memory_available_bytes > 0
