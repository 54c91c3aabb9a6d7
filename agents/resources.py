"""What a node has and how busy it is. The only importer of psutil.

`busy_cores` counts everything on the node's CPUs, our own tasks included; in a machine shared by several
logical nodes it is the machine's, because that is what a further task would meet.
"""

from __future__ import annotations

import math
import os
import platform
import time
from dataclasses import dataclass

import psutil

from agents import cgroups
from runtime.profiles import NodeProfile

SMOOTHING_S = 10.0
"""Short enough to see a load within seconds, long enough not to follow single items."""
SCORE_ROUNDS = 200_000


def smoothed(before: float | None, value: float, elapsed_s: float, tau_s: float = SMOOTHING_S) -> float:
    """Exponential average that allows for unequal pauses between samples; the first sample stands for itself."""
    if before is None:
        return value
    return before + (1 - math.exp(-elapsed_s / tau_s)) * (value - before)


@dataclass(frozen=True, slots=True)
class _Reading:
    at_s: float
    busy_s: float


class Resources:
    """Samples one node. `quota_cores` is what the node was given, None for the whole machine."""

    def __init__(self, quota_cores: float | None = None) -> None:
        self._cpus = _affinity()
        given = None if quota_cores is None else cgroups.quota_of(quota_cores)
        whole = cgroups.Quota(float(len(self._cpus)), 0.0)
        self.cores, self._quota_period_s = min(
            quota for quota in (whole, given, cgroups.own_quota()) if quota is not None
        )
        self.speed_score = score(self.cores)
        self._busy_cores: float | None = None
        self._before = self._read()

    def sample(self, node: str, agent: str, *, gone: bool = False) -> NodeProfile:
        """The node's profile now; busy since the last call, smoothed."""
        now = self._read()
        elapsed_s = now.at_s - self._before.at_s
        if elapsed_s > 0:
            busy_cores = min((now.busy_s - self._before.busy_s) / elapsed_s, float(len(self._cpus)))
            self._busy_cores = smoothed(self._busy_cores, max(0.0, busy_cores), elapsed_s)
            self._before = now
        memory = psutil.virtual_memory()
        return NodeProfile(
            node=node,
            cores=self.cores,
            memory_bytes=memory.total,
            memory_available_bytes=memory.available,
            busy_cores=self._busy_cores or 0.0,
            load_ratio=os.getloadavg()[0] / len(self._cpus),
            speed_score=self.speed_score,
            quota_period_s=self._quota_period_s,
            agent=agent,
            host=platform.node(),
            gone=gone,
        )

    @property
    def memory_ratio(self) -> float:
        """Of the memory, in use."""
        memory = psutil.virtual_memory()
        return 1.0 - memory.available / memory.total

    def _read(self) -> _Reading:
        times = psutil.cpu_times(percpu=True)
        # Waiting for a disk leaves a CPU free; guests are already counted as user time.
        busy_s = sum(
            each.user + each.system + sum(getattr(each, name, 0.0) for name in ("nice", "irq", "softirq"))
            for cpu, each in enumerate(times)
            if cpu in self._cpus
        )
        return _Reading(time.monotonic(), busy_s)


def cpu_s(process_id: int) -> float | None:
    """CPU time that a process has used; None when it is not there."""
    try:
        times = psutil.Process(process_id).cpu_times()
    except psutil.Error:
        return None
    return times.user + times.system


def score(cores: float) -> float:
    """Millions of rounds per second of a fixed integer loop, one thread, under this many cores.

    Counted per second of CPU and scaled by the quota, which is what the loop would reach under it: nodes that
    start together on one machine would otherwise measure one another.
    """
    best = max(_rounds_per_cpu_s() for _ in range(3))
    return best * min(1.0, cores) / 1e6


def _rounds_per_cpu_s() -> float:
    started_s = time.thread_time()
    value = 1
    for n in range(SCORE_ROUNDS):
        value = (value * 31 + n) & 0xFFFFFF
    return SCORE_ROUNDS / (time.thread_time() - started_s)


def _affinity() -> frozenset[int]:
    try:
        return frozenset(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return frozenset(range(os.cpu_count() or 1))
