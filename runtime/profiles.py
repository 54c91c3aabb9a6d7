"""What agents measure: node resources, directed links, and tasks. Anything unmeasured is absent, never 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from runtime.network import Link

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
    gone: bool = False
    """Said by an agent that leaves on purpose."""

    def to_record(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> NodeProfile:
        return cls(**record)


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
        links = {target: LinkEstimate(**link) for target, link in record["links"].items()}
        return cls(source=record["source"], links=links)


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
        return cls(**record)
