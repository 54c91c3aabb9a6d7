"""What an item takes of a node: the task's own time, and what its worker does beside the task. Pure.

The mapper adds it up for every node, and a node's agent for itself.
"""

from __future__ import annotations

from runtime.app import App
from runtime.network import HOME
from runtime.profiles import ExecutionProfile

ROUNDS_PER_PART, ROUNDS_PER_OUTPUT, ROUNDS_PER_RESULT = 200.0, 44.0, 175.0
ROUNDS_PER_BYTE_IN, ROUNDS_PER_BYTE_OUT = 0.028, 0.011
"""CPU of a worker to take a part off the bus, to send an output on, to store a result, and for their bytes
(`bench_handling.py`): at a speed score of 22, 9, 2 and 8 microseconds, and 1.3 and 0.5 nanoseconds a byte. Of one-line
tasks that is more than the tasks."""
ROUNDS_PER_WAKE = 3300.0
"""... and what it takes to begin again, for one item that comes alone or for many that come together: the processor's
caches have forgotten the worker, and messages and threads wake one another. 150 microseconds, up to 300 on a machine
that is busy."""
WAKES_PER_S = 33.0
"""The more often items come, the more of them come together: a worker with enough to do begins again so often."""
LEAST_PERIOD_S = 1e-3
"""No kernel gives a quota anew more often."""
ROUNDS_PER_INPUT = 1000.0
"""CPU on `home` for an input, from the queue to its end: the gateway's share, and the server's for all messages."""


def rounds(app: App, profile: ExecutionProfile) -> float:
    """What a worker does for an item beside calling the task, in rounds of the loop behind a node's speed score."""
    parts = len(app.graph.parents(profile.task)) if app.graph.is_join(profile.task) else 1
    results = profile.outputs.get(HOME, 0.0)
    sent = sum(profile.outputs.values()) - results
    out_bytes = sum(profile.output_bytes.values())
    messages = ROUNDS_PER_PART * parts + ROUNDS_PER_OUTPUT * sent + ROUNDS_PER_RESULT * results
    return messages + ROUNDS_PER_BYTE_IN * profile.input_bytes + ROUNDS_PER_BYTE_OUT * out_bytes


def rounds_s(rounds: float, speed_score: float) -> float:
    """Seconds that so many rounds take on a node."""
    return rounds / speed_score / 1e6


def home_s(speed_score: float, cores: float) -> float:
    """Seconds per input at home, beside tasks, which is outside its quota; 0 as long as its speed is not known."""
    return rounds_s(ROUNDS_PER_INPUT, speed_score / min(1.0, cores)) if speed_score > 0 else 0.0


def wake_s(speed_score: float) -> float:
    """Seconds that it takes a worker to begin again."""
    return rounds_s(ROUNDS_PER_WAKE, speed_score)


def wakes_per_s(quota_period_s: float) -> float:
    """How often a worker of a node begins again, however many items come.

    Where a quota is spent before its period is over, everybody there stops and begins again with the next one.
    """
    return max(WAKES_PER_S, 1 / max(quota_period_s, LEAST_PERIOD_S) if quota_period_s > 0 else 0.0)


def sustained_s(profile: ExecutionProfile, cores: float) -> float:
    """The least seconds per item that a node's quota allows in a stream.

    A few items may run faster than the quota allows, because it is enforced over some milliseconds, but not item after
    item.
    """
    return profile.cpu_s / min(1.0, cores)
