"""Which item a worker hangs in: what its shared memory shows, looked at again and again. Pure.

An item's age is counted in our own looks, so that a machine that was asleep, or an agent that was stopped, ends
nobody's work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runtime.slot import Call, Step

LOOKS = 20
"""In the time that an item may take."""
SHORTEST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 0.5
"""Between two looks; nor does the time between them count for more, however long it was."""
LOOP_GRACE_S = 1.0
"""For an event loop to end an item by itself once its time is over."""
SILENT_S = 1.0
"""Without a beat for so long, an event loop is stuck."""
LOST_S = 10.0
"""Without a beat for so long, a worker has long been left out by everybody, and would end itself if it could run."""


def is_lost(now_s: float, beat_s: float, spoken_s: float) -> bool:
    """Whether a worker must be replaced; `spoken_s` is when its parent last spoke for it."""
    return beat_s > 0 and now_s - max(beat_s, spoken_s) > LOST_S


@dataclass(frozen=True, slots=True)
class Overdue:
    """Calls that take too long."""

    calls: tuple[Call, ...]
    is_certain: bool
    """False when one of them holds up the others and it is not known which."""


NOBODY = Overdue((), True)


def pause_s(timeout_s: float | None) -> float:
    """Between two looks."""
    wanted_s = LONGEST_PAUSE_S if timeout_s is None else timeout_s / LOOKS
    return min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, wanted_s))


class Watch:
    """One worker's calls."""

    def __init__(self, timeout_s: float | None) -> None:
        self._timeout_s = timeout_s
        self._ages: dict[tuple[str, int, float], float] = {}
        self._last_s: float | None = None

    def look(self, now_s: float, calls: Sequence[Call], *, is_loop: bool, step: Step | None, beat_s: float) -> Overdue:
        """What must end now; `beat_s` is when the worker last spoke for itself."""
        self._age(now_s, calls, step)
        if self._timeout_s is None:
            return NOBODY
        if not is_loop:
            return Overdue(self._late(calls, self._timeout_s), True)
        if step is not None:
            # The others would have been in time if this one let the loop go.
            late = self._ages[_step(step)] > self._timeout_s
            return Overdue(tuple(call for call in calls if late and call.slot == step.slot), True)
        ignored = self._late(calls, self._timeout_s + LOOP_GRACE_S)
        return Overdue(ignored, now_s - beat_s < SILENT_S)

    def _late(self, calls: Sequence[Call], limit_s: float) -> tuple[Call, ...]:
        return tuple(call for call in calls if self._ages[_call(call)] > limit_s)

    def _age(self, now_s: float, calls: Sequence[Call], step: Step | None) -> None:
        passed_s = LONGEST_PAUSE_S if self._last_s is None else min(now_s - self._last_s, LONGEST_PAUSE_S)
        self._last_s = now_s
        started = {_call(call): call.started_s for call in calls}
        if step is not None:
            started[_step(step)] = step.began_s
        self._ages = {
            each: self._ages[each] + passed_s if each in self._ages else min(passed_s, max(0.0, now_s - began_s))
            for each, began_s in started.items()
        }


def _call(call: Call) -> tuple[str, int, float]:
    return ("call", call.slot, call.started_s)


def _step(step: Step) -> tuple[str, int, float]:
    return ("step", step.slot, step.began_s)
