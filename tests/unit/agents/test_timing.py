"""When enough was measured."""

from hypothesis import given
from hypothesis import strategies as st

from agents.timing import MOST_RUNS, Run, half_width_s, is_enough, summary, undisturbed_s

walls = st.lists(st.floats(1e-6, 10), min_size=1, max_size=30)


def runs_needed(first_s: float, wall_s: float, budget_s: float = 0.4) -> int:
    runs: list[float] = []
    while not is_enough(first_s, runs, budget_s):
        runs.append(wall_s * (1 + 0.001 * (len(runs) % 2)))
    return len(runs)


def test_steady_tasks_need_five_runs_and_slow_ones_fewer() -> None:
    assert runs_needed(0.01, 0.001) == 5
    assert runs_needed(0.3, 0.3) == 2
    assert runs_needed(1.0, 1.0) == 1
    assert runs_needed(3.0, 3.0) == 0


@given(st.floats(0, 5), walls, st.floats(0.01, 1))
def test_measuring_ends(first_s: float, pattern: list[float], budget_s: float) -> None:
    runs: list[float] = []
    while not is_enough(first_s, runs, budget_s):
        runs.append(pattern[len(runs) % len(pattern)])
        assert len(runs) <= MOST_RUNS


@given(walls.filter(lambda found: len(found) >= 2))
def test_the_interval_is_never_negative(found: list[float]) -> None:
    assert half_width_s(found) >= 0


@given(walls)
def test_the_summary_lies_within_the_runs(found: list[float]) -> None:
    timing = summary(Run(99.0, 99.0), [Run(wall_s, wall_s / 2) for wall_s in found])
    assert min(found) == timing.min_s <= timing.median_s <= max(found)
    assert timing.spread_s >= 0
    assert timing.runs == len(found)


def test_the_first_call_counts_when_it_is_alone() -> None:
    assert summary(Run(3.0, 1.0), []) == (3.0, 3.0, 0.0, 1.0, 1)


def test_waiting_for_others_is_taken_out_and_a_quota_is_not() -> None:
    alone = undisturbed_s(wall_s=1.0, cpu_s=1.0, ran_s=1.0, waited_s=0.0, cores=2)
    crowded = undisturbed_s(wall_s=3.0, cpu_s=1.0, ran_s=1.0, waited_s=2.0, cores=2)
    assert alone == crowded == 1.0
    throttled = undisturbed_s(wall_s=5.0, cpu_s=1.0, ran_s=1.0, waited_s=4.0, cores=0.2)
    both = undisturbed_s(wall_s=9.0, cpu_s=1.0, ran_s=1.0, waited_s=8.0, cores=0.2)
    assert throttled == both == 5.0
    assert undisturbed_s(wall_s=2.0, cpu_s=0.1, ran_s=0.1, waited_s=0.0, cores=1) == 2.0  # asleep


@given(*[st.floats(0, 10)] * 4, st.floats(0.01, 8))
def test_a_call_never_takes_longer_than_it_took(
    wall_s: float, cpu_s: float, ran_s: float, waited_s: float, cores: float
) -> None:
    assert 0 <= undisturbed_s(wall_s, cpu_s, ran_s, waited_s, cores) <= wall_s
