"""Whether to move a running application to a mapping that looks better now. Pure: the clock is given.

Tasks that move cost something, predictions are no promises, and what is measured trembles: so a mapping in force is
only left for one that is clearly better, for some time, for long enough to pay, and not right after the last move. A
node that is lost is no matter of taste and is not decided here. Both mappings are judged by today's numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mapper.problem import Problem

GAIN_RATIO = 0.1
LEAST_GAIN_S = 100e-6
"""Per item: less than that the operating system gives and takes by itself."""
EVALUATIONS = 3
"""In a row that must favour the change."""
HORIZON_S = 600.0
"""How long the numbers are trusted to hold."""
MOVE_S = 2.0
"""What a task that moves costs the pipeline: start, set-up, draining."""
COOLDOWN_S = 30.0
LONGEST_COOLDOWN_S = 600.0
UNDONE_WITHIN_S = 300.0
"""A task that goes back where it came from so soon should not have moved: the next move has to wait twice as long."""


@dataclass(slots=True)
class Hesitation:
    """What is remembered of one application between evaluations."""

    in_favour: int = 0
    cooldown_s: float = COOLDOWN_S
    quiet_until_s: float = 0.0
    _left: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Task to the node it left, and when."""

    def reason_to_stay(
        self,
        now_s: float,
        current_s: float,
        candidate_s: float,
        before: Mapping[str, str],
        after: Mapping[str, str],
        *,
        is_event: bool = False,
    ) -> str:
        """Why not to adopt the candidate now; empty when it should be adopted.

        An event (a node that joined) is no trembling of measurements: it need not be seen several times.
        """
        gain_s = current_s - candidate_s
        if gain_s < max(GAIN_RATIO * current_s, LEAST_GAIN_S):
            self.in_favour = 0
            return f"a gain of {gain_s:.3g} s of {current_s:.3g} s is too little"
        cost_s = MOVE_S * _moved(before, after)
        if HORIZON_S * gain_s / current_s <= cost_s:
            self.in_favour = 0
            return f"moving costs {cost_s:g} s, and within {HORIZON_S:g} s less is gained"
        self.in_favour += 1
        if self.in_favour < EVALUATIONS and not is_event:
            return f"better for the {self.in_favour}. time of {EVALUATIONS}"
        if now_s < self.quiet_until_s:
            return f"the last move was too short ago: {self.quiet_until_s - now_s:.0f} s more"
        return ""

    def moved(self, now_s: float, before: Mapping[str, str], after: Mapping[str, str]) -> None:
        """The mapping was changed."""
        is_undone = any(
            now_s - left_s < UNDONE_WITHIN_S and after.get(task) == node for task, (node, left_s) in self._left.items()
        )
        self.cooldown_s = min(LONGEST_COOLDOWN_S, 2 * self.cooldown_s) if is_undone else COOLDOWN_S
        self.quiet_until_s = now_s + self.cooldown_s
        self.in_favour = 0
        for task, node in before.items():
            if after.get(task) != node:
                self._left[task] = (node, now_s)


TIMER_S = 30.0
EVERY_S = 5.0
"""Evaluations take milliseconds, and three of them in a row must span more than one disturbance."""
MOVED_RATIO = 0.05
"""Of a time or a capacity: what is worth a look before the timer says so."""


@dataclass(slots=True)
class Occasion:
    """When a mapping in force is evaluated again."""

    _evaluated_s: float = -math.inf
    _seen: Problem | None = None

    def is_early(self, now_s: float) -> bool:
        """Whether it was evaluated so lately that the problem need not even be stated."""
        return now_s - self._evaluated_s < EVERY_S

    def is_due(self, now_s: float, problem: Problem, in_favour: int) -> bool:
        """By the timer, when the problem has changed, or when the last evaluation favoured a change."""
        has_changed = self._seen is None or differs(self._seen, problem)
        if self.is_early(now_s) or not (in_favour or has_changed or now_s - self._evaluated_s >= TIMER_S):
            return False
        self._evaluated_s, self._seen = now_s, problem
        return True


def differs(before: Problem, after: Problem) -> bool:
    """Whether anything that costs or capacities depend on has moved by more than a little."""
    if (before.tasks, before.nodes) != (after.tasks, after.nodes):
        return True
    pairs = [
        (before.exec_s, after.exec_s),
        (before.latency_s, after.latency_s),
        (before.inverse_bandwidth_s_per_byte, after.inverse_bandwidth_s_per_byte),
        (np.array(before.cores), np.array(after.cores)),
    ]
    return any(
        bool((np.isfinite(old) != np.isfinite(new)).any())
        or not np.allclose(np.nan_to_num(old, posinf=0.0), np.nan_to_num(new, posinf=0.0), rtol=MOVED_RATIO, atol=0.0)
        for old, new in pairs
    )


def _moved(before: Mapping[str, str], after: Mapping[str, str]) -> int:
    return sum(before.get(task) != node for task, node in after.items())
