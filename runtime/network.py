"""Machines and the directed paths between them. An absent link is absent: never zero, never infinite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

HOME = "home"
"""The node where inputs enter and results return; also the child that makes a task's output a result."""


def home_first(nodes: Iterable[str]) -> tuple[str, ...]:
    """The order in which nodes are looked at: of equal ones the first is taken."""
    return tuple(sorted(nodes, key=lambda name: (name != HOME, name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A directed path: `transfer_s(n) = latency_s + n / bandwidth_bytes_per_s`."""

    latency_s: float
    bandwidth_bytes_per_s: float

    def __post_init__(self) -> None:
        if not self.latency_s >= 0:
            raise ValueError(f"latency_s is {self.latency_s}; it must be zero or more")
        if not self.bandwidth_bytes_per_s > 0:
            raise ValueError(f"bandwidth_bytes_per_s is {self.bandwidth_bytes_per_s}; it must be above zero")

    def transfer_s(self, size_bytes: float) -> float:
        """Seconds for `size_bytes` to cross, first byte sent to last byte received."""
        return self.latency_s + size_bytes / self.bandwidth_bytes_per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Node names in declaration order, cores per node, and links by (source, target)."""

    nodes: tuple[str, ...]
    cores: Mapping[str, float]
    links: Mapping[tuple[str, str], Link]
