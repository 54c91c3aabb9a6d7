"""Names of machines, and the directed paths between them. An absent link is absent: never zero, never infinite."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

HOME = "home"
"""The node where inputs enter and results return; also the child that makes a task's output a result."""
MAX_NAME_CHARS = 253
"""As long as the longest host name."""


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


def name_fault(name: str) -> str | None:
    """What is wrong with a node's name; it may hold anything that one can see, dots and all."""
    if not 0 < len(name) <= MAX_NAME_CHARS:
        return f"a node's name has 1 to {MAX_NAME_CHARS} characters, not {len(name)}"
    if not name.isprintable() or any(character.isspace() for character in name):
        return f"the node name {name!r} holds what one cannot see; use letters, digits, dots and the like"
    return None
