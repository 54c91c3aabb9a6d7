"""What an application may ask of its mapper beside the objective. Shared by the mapper and, for WAVE, the agents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from runtime.typed import read

DEFAULT_MAPPER = "auto"
MAPPER_ALIASES = {"wave": "wave_greedy", "heft_dup_no_comm_cost": "heft_duplicate", "lookahead": "heft_lookahead"}
"""Names that Jupiter's configuration files and we ourselves have used, and what they mean here."""
MAPPER_NAMES = (
    *("auto", "throughput", "heft", "heft_balanced", "heft_duplicate", "heft_lookahead", "peft", "cpop"),
    *("wave_random", "wave_greedy", "optimal", *MAPPER_ALIASES),
)
"""What an application may name; those who read applications need not load the mappers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveWeights:
    """How much each part of WAVE Greedy's price counts; all three parts are seconds."""

    network: float = 1.0
    compute: float = 1.0
    memory: float = 1.0
    legacy: bool = False
    """Jupiter's own price instead: milliseconds of delay plus per cent of CPU plus per cent of memory in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapperOptions:
    """Options of single mappers; the others take no notice of them."""

    seed: int = 0
    """Of mappers that draw at random."""
    tasks_per_node: int = 2
    """HEFT Balanced: the cap, unless that many do not let every task in. Jupiter's MAX_TASK_ALLOWED is 2."""
    moves: int | None = None
    """Throughput: how often it may try one task on all nodes; None for what suits the size of the graph."""
    limit_s: float | None = None
    """Throughput: give up after so many seconds, and say so; what is found then depends on the machine."""
    wave: WaveWeights = WaveWeights()
    distributed: bool = False
    """WAVE: the agents place the tasks among themselves, and the mapper's process is not needed."""

    def to_record(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> MapperOptions:
        """Read a record; raises ValueError on one that does not hold options."""
        return read(cls, record)
