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
tasks that is more than the tasks. A part is 6 microseconds to a worker that is never interrupted; under a quota, other
workers in between, it is 9."""
ROUNDS_PER_WAKE = 3300.0
"""... and what one item costs in addition that comes alone to a worker that sleeps: 150 microseconds."""
WAKING_CORES = 0.005
"""The more often items come, the more of them come together: waking takes no more of a core than this."""


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


def waking_s(pace_s: float, speed_score: float, cores: float) -> float:
    """Seconds per item that a worker spends on waking up, when items come so far apart."""
    return min(rounds_s(ROUNDS_PER_WAKE, speed_score), WAKING_CORES * pace_s / min(1.0, cores))


def sustained_s(profile: ExecutionProfile, cores: float) -> float:
    """The least seconds per item that a node's quota allows in a stream.

    A few items may run faster than the quota allows, because it is enforced over some milliseconds, but not item after
    item.
    """
    return profile.cpu_s / min(1.0, cores)
