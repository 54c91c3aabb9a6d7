"""What the applications that are mapped already use of each node, so that the next one is not promised it again. Pure.

A worker that beats says itself how busy it is; of a task whose worker has not been heard yet, its mapping foretold it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runtime.mapping import TaskMapping
from runtime.records import GONE, Beat

SMOOTHING = 0.1
"""Of a beat in the average: beats come twice a second, so the last ten seconds count."""
LEAST_LEFT_RATIO = 0.1
"""Of a node's cores, however busy the others are: who comes late gets a share too."""


@dataclass(slots=True)
class Activity:
    """How busy every worker is: the share of its time that it is in user code, averaged."""

    _busy: dict[tuple[str, str], tuple[str, str, float]] = field(default_factory=dict)
    """(application, incarnation) to (task, node, cores in use)"""

    def heard(self, beat: Beat) -> None:
        key = (beat.app, beat.incarnation)
        busy_cores = beat.rates.get("busy_ratio")
        if beat.state == GONE or busy_cores is None or beat.is_head:
            self.forget(*key)
            return
        known = self._busy.get(key)
        if known is not None:
            busy_cores = known[2] + SMOOTHING * (busy_cores - known[2])
        self._busy[key] = (beat.task, beat.node, busy_cores)

    def forget(self, app: str, incarnation: str) -> None:
        self._busy.pop((app, incarnation), None)

    def used_cores(self, mappings: Mapping[str, TaskMapping], but: str) -> dict[str, float]:
        """Cores by node that all applications `but` one use, or will."""
        used: dict[str, float] = {}
        heard = set()
        for (app, _), (task, node, busy_cores) in sorted(self._busy.items()):
            heard.add((app, task))
            if app != but:
                used[node] = used.get(node, 0.0) + busy_cores
        for app, mapping in sorted(mappings.items()):
            if app == but or not mapping.period_s:
                continue
            for task, node in sorted(mapping.assignment.items()):
                if (app, task) not in heard:
                    foretold = min(1.0, mapping.task_s.get(task, 0.0) / mapping.period_s)
                    used[node] = used.get(node, 0.0) + foretold
        return used


def left_cores(cores: float, used_cores: float) -> float:
    """What a node has for one more application."""
    return max(cores - used_cores, LEAST_LEFT_RATIO * cores)
