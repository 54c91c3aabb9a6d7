"""How much of this node the workers of each application use, so that no other application is promised it. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

SMOOTHING_S = 10.0


class Usage:
    """Fed now and then with the processes of this node's workers."""

    def __init__(self, cpu_s: Callable[[int], float | None]) -> None:
        """`cpu_s` is the CPU time that a process has used; None when it is not there."""
        self._cpu_s = cpu_s
        self._before: dict[int, float] = {}
        self._cores: dict[str, float] = {}
        self._sampled_s: float | None = None

    def sample(self, processes: Iterable[tuple[str, int]], now_s: float) -> None:
        """What the processes of each application, as (application, process id), have used since the last time."""
        used_s: dict[str, float] = {}
        now: dict[int, float] = {}
        for app, process_id in processes:
            cpu_s = self._cpu_s(process_id)
            if cpu_s is not None:
                now[process_id] = cpu_s
                used_s[app] = used_s.get(app, 0.0) + max(0.0, cpu_s - self._before.get(process_id, cpu_s))
        elapsed_s = 0.0 if self._sampled_s is None else now_s - self._sampled_s
        if elapsed_s > 0:
            weight = 1 - math.exp(-elapsed_s / SMOOTHING_S)
            before = self._cores
            self._cores = {
                app: before.get(app, 0.0) + weight * (seconds / elapsed_s - before.get(app, 0.0))
                for app, seconds in used_s.items()
            }
        self._before, self._sampled_s = now, now_s

    def by_others(self, app: str) -> float:
        """Cores that all applications but one use."""
        return sum(cores for name, cores in sorted(self._cores.items()) if name != app)
