"""What agents measure: node resources, directed links, and tasks. Anything unmeasured is absent, never 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from runtime.network import Link
from runtime.typed import check_names, check_not_negative, read

MAX_NODE_CHARS = 253
"""As long as the longest host name."""

NODE_LEASE_S = 6.0
"""A node whose profile (published every two seconds) is older counts as gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeProfile:
    """One node: what it has, and how busy it is. Published every few seconds, so it is also its sign of life."""

    node: str
    cores: float
    """CPU seconds per second its tasks may use (the smallest of machine, affinity and quota)."""
    memory_bytes: int
    memory_available_bytes: int
    busy_cores: float
    load_ratio: float
    speed_score: float
    """Millions of rounds per second of a fixed integer loop, one thread, under this node's quota."""
    agent: str
    """Incarnation of the agent."""
    host: str
    quota_period_s: float = 0.0
    """How often its quota of CPU is given anew; 0 without a quota."""
    refused: int = 0
    """Messages and records that its agent has refused since it started."""
    gone: bool = False
    """Said by an agent that leaves on purpose."""

    def to_record(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> NodeProfile:
        profile = read(cls, record)
        _check_node(profile.node)
        sizes = (profile.memory_bytes, profile.memory_available_bytes, profile.busy_cores, profile.load_ratio)
        check_not_negative("a measure of a node", *sizes, profile.speed_score, profile.quota_period_s)
        if not profile.cores > 0:
            raise ValueError(f"a node with {profile.cores} cores: it must be above zero")
        return profile


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEstimate:
    """One directed link, `transfer_s(n) = latency_s + n / bandwidth_bytes_per_s`, with how well it is known."""

    latency_s: float
    bandwidth_bytes_per_s: float
    bandwidth_low_bytes_per_s: float
    bandwidth_high_bytes_per_s: float
    rtt_min_s: float
    rtt_p90_s: float
    samples: int
    state: str = "ok"
    """`ok`, `stale` or `down`."""

    def link(self) -> Link:
        return Link(latency_s=self.latency_s, bandwidth_bytes_per_s=self.bandwidth_bytes_per_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRow:
    """All links out of one node, by target."""

    source: str
    links: Mapping[str, LinkEstimate] = field(default_factory=dict)

    def to_record(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "links": {target: asdict(link) for target, link in sorted(self.links.items())},
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> LinkRow:
        row = read(cls, record)
        for node in (row.source, *row.links):
            _check_node(node)
        for link in row.links.values():
            rates = (link.bandwidth_bytes_per_s, link.bandwidth_low_bytes_per_s, link.bandwidth_high_bytes_per_s)
            check_not_negative("a measure of a link", link.latency_s, *rates, link.rtt_min_s, link.rtt_p90_s)
        return row


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionProfile:
    """Seconds per item of one task on one node, and the bytes it sends per item to each child."""

    app: str
    task: str
    node: str
    digest: str
    """Of the code that was measured."""
    median_s: float
    min_s: float
    spread_s: float
    """Median absolute deviation."""
    cold_s: float
    """Import, set-up and the first call."""
    cpu_s: float
    """CPU seconds per item."""
    runs: int
    input_bytes: float = 0.0
    """Mean bytes of an input item."""
    output_bytes: Mapping[str, float] = field(default_factory=dict)
    """Mean bytes per input item, by child (`home` included)."""
    outputs: Mapping[str, float] = field(default_factory=dict)
    """Mean outputs per input item, by child."""
    source: str = "measured"
    """`measured`, `live`, `derived` or `hinted`."""

    def to_record(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> ExecutionProfile:
        profile = read(cls, record)
        _check_node(profile.node)
        check_names(profile.app, profile.task)
        times_s = (profile.median_s, profile.min_s, profile.spread_s, profile.cold_s, profile.cpu_s)
        sizes = (profile.input_bytes, *profile.output_bytes.values(), *profile.outputs.values())
        check_not_negative("a measure of a task", *times_s, *sizes, profile.runs)
        return profile


def _check_node(name: str) -> None:
    """A node may be called anything, within reason."""
    if not 0 < len(name) <= MAX_NODE_CHARS:
        raise ValueError(f"a node's name has 1 to {MAX_NODE_CHARS} characters, not {len(name)}")
