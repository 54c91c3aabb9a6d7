"""Tasks `astute0`, `astute1`, ...: the equilibrium test over flow volume changes.

Silveira, Diot, Taft, Govindan: "ASTUTE: Detecting a Different Class of Traffic Anomalies", SIGCOMM 2010.
While flows are independent and stationary, their volume changes from one bin to the next cancel out. With F
flows active in either bin and changes d, K = mean(d) / (std(d) / sqrt(F)) is then close to a standard normal
variable; many flows that change together, however small, push it out. No training, and no model of volumes.

The test names nobody. Here the causes are the hosts without whose flows the rest is in equilibrium again.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import flows
from flows import FlowKey
from packets import is_group

K_LIMIT = 6.0  # beyond it the equilibrium is rejected
MIN_FLOWS = 20  # K is near normal only for sums of many
MIN_CHANGED = 8  # fewer flows of a host than this are nobody's anomaly
MAX_CAUSES = 5

Changes = dict[FlowKey, int]


def process(item: dict[str, Any], ctx: Any) -> dict[str, Any]:
    """Scores and reasons of the stream's own hosts that explain a broken equilibrium."""
    windows = flows.unpack(item["windows"])
    owned = flows.owned_by(item)
    hosts: dict[str, Any] = {}
    for number in range_of_pairs(windows, item["whole"]):
        before, after = windows.get(number - 1, []), windows.get(number, [])
        opening = {flow.key for flow in before + after if flow.asks}
        for host, score, reason in causes(volume_changes(before, after), opening, owned):
            if score > hosts.get(host, {"score": 0.0})["score"]:
                hosts[host] = {
                    "score": round(score, 4),
                    "reasons": [f"{reason} at {number * item['window_s']:g} s"],
                }
    return {"input": item["input"], "stream": item["stream"], "hosts": dict(sorted(hosts.items()))}


def range_of_pairs(windows: Iterable[int], whole: int) -> list[int]:
    """The later window of each pair to compare: both whole (a cut one looks like a drop), one not empty."""
    numbers = {later for number in windows for later in (number, number + 1)}
    return sorted(number for number in numbers if 0 < number < whole)


def volume_changes(before: list[flows.Flow], after: list[flows.Flow]) -> Changes:
    """Change in packets of every flow that is active in either bin."""
    changes = {flow.key: -flow.packets for flow in before}
    for flow in after:
        changes[flow.key] = changes.get(flow.key, 0) + flow.packets
    return changes


def equilibrium(changes: Iterable[float]) -> float:
    """K, the mean change over its standard error; infinite when all flows changed alike."""
    changes = list(changes)
    count = len(changes)
    if count < 2:
        return 0.0
    mean = math.fsum(changes) / count
    variance = math.fsum((change - mean) ** 2 for change in changes) / (count - 1)
    if variance == 0:
        return math.copysign(math.inf, mean) if mean else 0.0
    return mean / math.sqrt(variance / count)


def causes(changes: Changes, opening: set[FlowKey], owned: Callable[[str], bool]) -> Iterable[tuple[str, float, str]]:
    """(host, score, reason) of the hosts to leave out, greatest first, until the rest is in equilibrium.

    Blamed are flows that open a conversation: replies change along with them, and would blame who is called.
    """
    for _ in range(MAX_CAUSES):
        k = equilibrium(changes.values())
        if len(changes) < MIN_FLOWS or abs(k) <= K_LIMIT:
            return
        moved = [key for key, change in changes.items() if change * k > 0 and key in opening]
        weights = correlated(moved)
        host = max(sorted(weights), key=weights.__getitem__, default="")
        if weights.get(host, 0) < MIN_CHANGED:
            return
        if owned(host):  # else another stream names it, and its flows excuse the hosts of this one
            share = weights[host] / len(moved)
            direction = "appeared or grew" if k > 0 else "shrank or ended"
            yield host, share * flows.severity(abs(k), K_LIMIT), _reason(weights[host], direction, k)
        changes = {key: change for key, change in changes.items() if host not in (key[0], key[2])}


def correlated(moved: Iterable[FlowKey]) -> dict[str, int]:
    """How many flows each host may have moved: as a source to many services, or as one service to many.

    Counted by service, or a port scan's victim would weigh as much as the scanner, and a lone flooder as much
    as the service it floods.
    """
    services: dict[str, set[tuple[str, int]]] = {}
    callers: dict[tuple[str, int], set[tuple[str, int]]] = {}
    for src, sport, dst, dport, _ in moved:
        services.setdefault(src, set()).add((dst, dport))
        callers.setdefault((dst, dport), set()).add((src, sport))
    weights = {src: len(reached) for src, reached in services.items()}
    for (dst, _), found in callers.items():
        if not is_group(dst):
            weights[dst] = max(weights.get(dst, 0), len(found))
    return weights


def _reason(weight: int, direction: str, k: float) -> str:
    strength = f"K = {k:.1f}" if math.isfinite(k) else "all flows alike"
    return f"ASTUTE: {weight} of its flows {direction} together ({strength})"
