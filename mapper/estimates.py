"""What a task takes on a node and what a link takes, as the mapper believes it, and where that comes from. Pure.

Measured is believed as it is; what was measured long ago is widened towards its bad end, the more the older it is;
what was never measured is derived from what was. Nothing is ever 0 or infinite because nobody looked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from mapper.table import ProfileTable
from runtime import handling
from runtime.app import App
from runtime.profiles import ExecutionProfile, LinkEstimate

MEASURED, LIVE, STALE, DERIVED = "measured", "live", "stale", "derived"
CERTAIN = (MEASURED, LIVE)
"""What nobody need be told of."""
EXECUTION_PERIOD_S = 300.0
"""Agents say their execution profiles again so often."""
ROW_PERIOD_S = 30.0
"""... and their links at least so often."""
FRESH_PERIODS = 3
MOST_WIDENED = 3.0
"""Standard deviations (or half intervals) beyond which age adds nothing."""
SIGMA_PER_MAD = 1.4826
LEAST_SPREAD_RATIO = 0.05
"""Of what was measured: so few runs may have hidden more."""
UNMEASURED_LINK_FACTOR = 1.5
ROUNDS = 20
"""Alternating least squares of two sets of effects: far more than are needed."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds per item of a task on a node, and where they come from."""

    seconds: float
    source: str

    def with_more(self, seconds: float) -> Cost:
        return Cost(self.seconds + seconds, self.source)


@dataclass(frozen=True, slots=True)
class LinkCost:
    """An affine link, and where it comes from."""

    latency_s: float
    inverse_bandwidth_s_per_byte: float
    source: str


def executions(
    app: App, table: ProfileTable, nodes: Sequence[str], now_s: float, *, is_stream: bool = True
) -> dict[tuple[str, str], Cost]:
    """By (task, node), handling included (without waking: `mapper.waking`); a pair that is absent cannot run."""
    found, profiles = {}, {}
    for task in app.graph.order:
        for node in nodes:
            profile = table.execution_of(app, task, node)
            if profile is not None:
                profiles[task, node] = profile
                cost = _aged(profile, now_s - table.execution_said_s(app, task, node))
                sustained_s = handling.sustained_s(profile, table.profile_of(node).cores) if is_stream else 0.0
                found[task, node] = Cost(max(cost.seconds, sustained_s), cost.source)
    speeds = {node: speed for node in nodes if (speed := table.speed_of(node)) is not None}
    shares = {key: _cpu_share(profile) for key, profile in profiles.items()}
    derived = _derived({key: cost.seconds for key, cost in found.items()}, shares, speeds)
    for task, node in derived.keys() - found.keys():
        if not table.failures(app, task, (node,)):
            found[task, node] = Cost(derived[task, node], DERIVED)
    for task in app.graph.order:
        rounds = _handling_rounds(app, task, profiles)
        for node, speed in speeds.items():
            if (task, node) in found:
                found[task, node] = found[task, node].with_more(handling.rounds_s(rounds, speed))
    return dict(sorted(found.items()))


def _handling_rounds(app: App, task: str, profiles: Mapping[tuple[str, str], ExecutionProfile]) -> float:
    """The mean over the nodes that measured it: what a task sends does not depend on where it runs."""
    found = [handling.rounds(app, profile) for (name, _), profile in sorted(profiles.items()) if name == task]
    return fmean(found) if found else 0.0


def _widening(age_s: float, period_s: float) -> float:
    """How many standard deviations to add."""
    return min(MOST_WIDENED, max(0.0, age_s / period_s - FRESH_PERIODS + 1))


def _aged(profile: ExecutionProfile, age_s: float) -> Cost:
    if age_s <= FRESH_PERIODS * EXECUTION_PERIOD_S:
        return Cost(profile.median_s, profile.source)
    sigma_s = max(SIGMA_PER_MAD * profile.spread_s, LEAST_SPREAD_RATIO * profile.median_s)
    return Cost(profile.median_s + _widening(age_s, EXECUTION_PERIOD_S) * sigma_s, STALE)


def _derived(
    seconds: Mapping[tuple[str, str], float], shares: Mapping[tuple[str, str], float], speeds: Mapping[str, float]
) -> dict[tuple[str, str], float]:
    """Every task measured somewhere, on every node of known speed: ln t = task + node - share of CPU * ln speed.

    The node's effect is what its score does not explain, estimated from the tasks that were measured there. A task
    that mostly waits is not slower on a slow node, so the score counts as far as the task's time is CPU time.
    """
    known = {
        (task, node): math.log(max(found_s, 1e-9)) + shares[task, node] * math.log(speeds[node])
        for (task, node), found_s in seconds.items()
        if node in speeds
    }
    tasks, nodes = sorted({task for task, _ in known}), sorted(speeds)
    task_effect, node_effect = dict.fromkeys(tasks, 0.0), dict.fromkeys(nodes, 0.0)
    for _ in range(ROUNDS):
        for task in tasks:
            task_effect[task] = fmean(known[key] - node_effect[key[1]] for key in known if key[0] == task)
        for node in nodes:
            # As if one more task had been measured there, which the score explains: little evidence counts little.
            found = [known[key] - task_effect[key[0]] for key in known if key[1] == node]
            node_effect[node] = sum(found) / (len(found) + 1)
    share = {task: fmean(shares[key] for key in known if key[0] == task) for task in tasks}
    return {
        (task, node): math.exp(task_effect[task] + node_effect[node] - share[task] * math.log(speeds[node]))
        for task in tasks
        for node in nodes
    }


def _cpu_share(profile: ExecutionProfile) -> float:
    return min(1.0, profile.cpu_s / profile.median_s) if profile.median_s > 0 else 0.0


def links(nodes: Sequence[str], table: ProfileTable, now_s: float) -> dict[tuple[str, str], LinkCost]:
    """By (from, to); a pair that is absent has no path."""
    measured = table.links_among(nodes)
    usable = {pair: _widened(link, now_s - said_s) for pair, (link, said_s) in measured.items() if _is_path(link)}
    found = dict(usable)
    for source in nodes:
        for target in nodes:
            if source != target and (source, target) not in measured:
                derived = _typical(usable, source, target)
                if derived is not None:
                    found[source, target] = derived
    return found


def _is_path(link: LinkEstimate) -> bool:
    return link.state != "down" and link.bandwidth_bytes_per_s > 0


def _widened(link: LinkEstimate, age_s: float) -> LinkCost:
    inverse = 1.0 / link.bandwidth_bytes_per_s
    is_old = age_s > FRESH_PERIODS * ROW_PERIOD_S
    if link.state == "ok" and not is_old:
        return LinkCost(link.latency_s, inverse, MEASURED)
    widening = max(1.0, _widening(age_s, ROW_PERIOD_S))
    low = min(link.bandwidth_low_bytes_per_s, link.bandwidth_bytes_per_s)
    worse = max(1.0 / low if low > 0 else 0.0, inverse * (1 + LEAST_SPREAD_RATIO))
    jitter_s = max(0.0, link.rtt_p90_s - link.rtt_min_s) / 2
    return LinkCost(link.latency_s + widening * jitter_s, inverse + widening * (worse - inverse), STALE)


def _typical(usable: Mapping[tuple[str, str], LinkCost], source: str, target: str) -> LinkCost | None:
    """The median of what leaves the one and enters the other, and half as much again; else of all there is."""
    near = [link for (start, end), link in usable.items() if start == source or end == target]
    found = near or list(usable.values())
    if not found:
        return None
    return LinkCost(
        UNMEASURED_LINK_FACTOR * median(link.latency_s for link in found),
        UNMEASURED_LINK_FACTOR * median(link.inverse_bandwidth_s_per_byte for link in found),
        DERIVED,
    )
