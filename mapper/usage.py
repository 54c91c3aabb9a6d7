"""What the applications that are mapped already use of each node, so that the next one is not promised it again. Pure.

A worker that beats says itself how busy it is; of a task whose worker is not heard, its mapping foretold it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runtime.mapping import TaskMapping
from runtime.records import GONE, Beat

SMOOTHING = 0.1
"""Of a beat in the average: beats come twice a second, so the last ten seconds count."""
LEASE_S = 6.0
"""Who has not beaten for so long is not busy any more, also if nobody says that it is gone."""
LEAST_LEFT_RATIO = 0.1
"""Of a node's cores, however busy the others are: who comes late gets a share too."""


@dataclass(frozen=True, slots=True)
class _Busy:
    task: str
    node: str
    cores: float
    heard_s: float


@dataclass(slots=True)
class Activity:
    """How busy every worker is: the share of its time that it is in user code, averaged."""

    _busy: dict[tuple[str, str], _Busy] = field(default_factory=dict)
    """By application and incarnation."""

    def heard(self, beat: Beat, said_s: float) -> None:
        key = (beat.app, beat.incarnation)
        busy_cores = beat.rates.get("busy_ratio")
        if beat.state == GONE or busy_cores is None or beat.is_head:
            self.forget(*key)
            return
        known = self._busy.get(key)
        if known is not None:
            busy_cores = known.cores + SMOOTHING * (busy_cores - known.cores)
        self._busy[key] = _Busy(beat.task, beat.node, busy_cores, said_s)

    def forget(self, app: str, incarnation: str) -> None:
        self._busy.pop((app, incarnation), None)

    def used_cores(self, mappings: Mapping[str, TaskMapping], but: str, now_s: float) -> dict[str, float]:
        """Cores by node that all applications `but` one use, or will."""
        self._busy = {key: each for key, each in self._busy.items() if now_s - each.heard_s <= LEASE_S}
        used: dict[str, float] = {}
        heard = set()
        for (app, _), busy in sorted(self._busy.items(), key=lambda item: item[0]):
            heard.add((app, busy.task))
            if app != but:
                used[busy.node] = used.get(busy.node, 0.0) + busy.cores
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
