"""Tasks `threshold0`, `threshold1`, ...: counts per host and window against robust limits.

A limit is median + `SPREADS` standard deviations over all hosts and windows of the stream. The deviation
comes from the median absolute deviation, so that an anomaly does not raise its own limit; a floor keeps quiet
streams, where it is nearly 0, from alarming at every packet.

Only what fails is evidence by itself (compare Jung et al., "Fast Portscan Detection Using Sequential
Hypothesis Testing", 2004): volumes and fan-outs of honest hosts are heavy-tailed and only add to an alarm.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

import flows
from flows import Flow
from packets import TCP, is_group

SPREADS = 6.0
MAD_TO_DEVIATION = 1.4826
FAILING_RATIO = 0.5  # a scanner is told from a busy client by most of its attempts failing
FLOOD_SOURCES = 5  # one unanswered sender of datagrams is a one-way stream, not a flood
SUPPORT_WEIGHT = 0.1

Counts = dict[str, float]

FLOORS = {  # per window
    "net_scan": 8,
    "port_scan": 12,
    "flood": 60,
    "destinations": 25,
    "packets": 500,
    "bytes": 500_000,
}
EVIDENCE = {
    "net_scan": "network scan: {value:.0f} hosts did not answer it",
    "port_scan": "port scan: {value:.0f} ports of one host did not answer it",
    "flood": "flood: {value:.0f} packets to one of its ports led to no conversation",
}
SUPPORT = {
    "destinations": "approached {value:.0f} hosts",
    "packets": "sent {value:.0f} packets",
    "bytes": "sent {value:.0f} bytes",
}


def process(item: dict[str, Any], ctx: Any) -> dict[str, Any]:
    """Scores and reasons of the stream's own hosts that pass a limit."""
    windows = flows.unpack(item["windows"])
    owned = flows.owned_by(item)
    table = {number: observe(found, owned) for number, found in windows.items()}
    limits = {name: robust_limit(_values(table, name), floor) for name, floor in FLOORS.items()}
    return {
        "input": item["input"],
        "stream": item["stream"],
        "hosts": judge(table, limits, item["window_s"]),
    }


def observe(window: list[Flow], owned: Callable[[str], bool]) -> dict[str, Counts]:
    """What each owned host did in one window."""
    answers = flows.answers(window)
    by_source: dict[str, list[Flow]] = defaultdict(list)
    failed_by_source: dict[str, list[Flow]] = defaultdict(list)
    failed_by_target: dict[str, list[Flow]] = defaultdict(list)
    for flow in window:
        failed = flow.has_failed(answers) and not is_group(flow.dst)
        if owned(flow.src):
            by_source[flow.src].append(flow)
            if failed:
                failed_by_source[flow.src].append(flow)
        if failed and owned(flow.dst):
            failed_by_target[flow.dst].append(flow)
    hosts = sorted(by_source.keys() | failed_by_target.keys())
    return {
        host: _sent(by_source[host], failed_by_source[host]) | {"flood": _flood(failed_by_target[host])}
        for host in hosts
    }


def robust_limit(values: Iterable[float], floor: float) -> float:
    """Median and spreads above it, never below the floor."""
    values = list(values)
    if not values:
        return floor
    middle = median(values)
    deviation = MAD_TO_DEVIATION * median(abs(value - middle) for value in values)
    return max(floor, middle + SPREADS * deviation)


def judge(table: dict[int, dict[str, Counts]], limits: Counts, window_s: float) -> dict[str, Any]:
    """Every host with evidence against it: its score, and the reasons, strongest window of each kind."""
    peaks: dict[str, dict[str, tuple[float, int]]] = defaultdict(dict)
    for number, hosts in table.items():
        for host, counts in hosts.items():
            for name, value in counts.items():
                if value >= limits[name] and value > peaks[host].get(name, (0.0, 0))[0]:
                    peaks[host][name] = (value, number)
    return {
        host: _verdict(peaks[host], limits, window_s)
        for host in sorted(peaks)
        if not EVIDENCE.keys().isdisjoint(peaks[host])
    }


def _verdict(peaks: dict[str, tuple[float, int]], limits: Counts, window_s: float) -> dict[str, Any]:
    score = 0.0
    reasons = []
    for name, phrase in (EVIDENCE | SUPPORT).items():
        if name not in peaks:
            continue
        value, number = peaks[name]
        score += flows.severity(value, limits[name]) * (1.0 if name in EVIDENCE else SUPPORT_WEIGHT)
        found = phrase.format(value=value)
        reasons.append(f"{found} in {window_s:g} s from {number * window_s:g} s on (limit {limits[name]:.0f})")
    return {"score": round(score, 4), "reasons": reasons}


def _sent(sent: list[Flow], failed: list[Flow]) -> Counts:
    """Counts of what one host sent; the scans only when most of what it tried has failed."""
    tried = [flow for flow in sent if flow.proto == TCP and flow.asks]
    is_failing = len(failed) >= FAILING_RATIO * len({flow.key for flow in tried + failed})
    ports: dict[str, set[int]] = defaultdict(set)
    for flow in failed:
        ports[flow.dst].add(flow.dport)
    return {
        "net_scan": len(ports) if is_failing else 0,
        "port_scan": max(map(len, ports.values()), default=0) if is_failing else 0,
        "destinations": len({flow.dst for flow in tried + failed}),
        "packets": sum(flow.packets for flow in sent),
        "bytes": sum(flow.size_bytes for flow in sent),
    }


def _flood(failed: list[Flow]) -> float:
    """The most packets in vain at one of a host's ports; over all ports, a port scan's victim would count."""
    asks: dict[tuple[int, str], int] = defaultdict(int)
    sources: dict[tuple[int, str], set[str]] = defaultdict(set)
    for flow in failed:
        service = (flow.dport, flow.proto)
        asks[service] += flow.asks
        sources[service].add(flow.src)
    return max((asks[s] for s in asks if s[1] == TCP or len(sources[s]) >= FLOOD_SOURCES), default=0)


def _values(table: dict[int, dict[str, Counts]], name: str) -> Iterable[float]:
    return (counts[name] for hosts in table.values() for counts in hosts.values())
