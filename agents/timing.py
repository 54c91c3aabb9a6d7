"""When a measurement has seen enough, and what it amounts to. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import median, quantiles
from typing import NamedTuple

ENOUGH_RUNS = 5
MOST_RUNS = 200
FEWEST_RUNS = 2
LONG_CALL_S = 2.0
"""A task this slow is judged by its first call alone."""
SPREAD_RATIO = 0.05


class Run(NamedTuple):
    """One call: seconds it takes by itself (`undisturbed_s`), and of CPU."""

    wall_s: float
    cpu_s: float
    items: int = 1
    """More than one where it was a group."""


class Timing(NamedTuple):
    """Seconds per item over several calls."""

    median_s: float
    min_s: float
    spread_s: float
    cpu_s: float
    runs: int


def undisturbed_s(wall_s: float, cpu_s: float, ran_s: float, waited_s: float, cores: float) -> float:
    """Seconds the call would have taken with nobody else on the machine, under the same quota.

    `ran_s` and `waited_s` are the calling thread's, on a CPU and in line for one. The kernel counts being
    throttled as waiting; what a quota below one core costs is therefore put back.
    """
    throttled_s = cpu_s * (1 / min(1.0, cores) - 1)
    return min(wall_s, max(wall_s - waited_s, ran_s) + throttled_s)


def is_enough(first_s: float, walls_s: Sequence[float], budget_s: float) -> bool:
    """Whether the calls after the first (which also paid for imports and caches) tell what an item costs.

    Stops when half of the width of the median's confidence interval is within 5 % of it, as netperf does, or
    when the budget is spent.
    """
    if first_s > LONG_CALL_S:
        return True
    if len(walls_s) < (FEWEST_RUNS if first_s <= budget_s else FEWEST_RUNS - 1):
        return False
    if sum(walls_s) >= budget_s or len(walls_s) >= MOST_RUNS or max(walls_s) > LONG_CALL_S:
        return True
    return len(walls_s) >= ENOUGH_RUNS and half_width_s(walls_s) <= SPREAD_RATIO * median(walls_s)


def half_width_s(walls_s: Sequence[float]) -> float:
    """Of the interval that probably holds the median (McGill, Tukey and Larsen 1978: 1.57 IQR / sqrt n)."""
    low, _, high = quantiles(walls_s, n=4, method="inclusive")
    return 1.57 * (high - low) / sqrt(len(walls_s))


def summary(first: Run, runs: Sequence[Run]) -> Timing:
    """What the calls amount to; the first counts only when it is all there is."""
    used = runs or [first]
    walls_s = [run.wall_s / run.items for run in used]
    middle_s = median(walls_s)
    return Timing(
        median_s=middle_s,
        min_s=min(walls_s),
        spread_s=median(abs(wall_s - middle_s) for wall_s in walls_s),
        cpu_s=sum(run.cpu_s for run in used) / sum(run.items for run in used),
        runs=len(used),
    )
