"""What one node knows of itself, as far as one application is concerned: all that WAVE decides from here. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from agents.wave_messages import ABLE, UNABLE, WAITING, Answer, Ask
from runtime import handling
from runtime.app import App
from runtime.network import HOME
from runtime.profiles import ExecutionProfile, LinkEstimate

PATIENCE_S = 20.0
"""Who is still measuring so long after another could take a task is left out."""
RETURN_S = 5.0
"""A link to a node that has just come, down until then, may be up within so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStatistics:
    """One node's own link row, resources and execution profiles."""

    node: str
    app: App
    executions: Mapping[str, ExecutionProfile] = field(default_factory=dict)
    """By task, of this version."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Why a task cannot run here."""
    is_profiled: bool = True
    """Nothing more is going to be measured."""
    row: Mapping[str, LinkEstimate] = field(default_factory=dict)
    """Own links, by target."""
    unmeasured: tuple[str, ...] = ()
    """Nodes whose links are still being measured."""
    cores: float = 1.0
    speed_score: float = 0.0
    memory_ratio: float = 0.0
    """Of the memory, in use."""
    used_cores: float = 0.0
    """By other applications."""

    def answer(self, ask: Ask) -> Answer:
        """What this node says when it is asked for a task."""
        state, why = self._ability(ask.task)
        if state != ABLE:
            return Answer(placement=ask.placement, number=ask.number, state=state, why=why, reaches=self.reaches)
        cores = max(1.0, self.cores)
        own_s = handling.home_s(self.speed_score, self.cores) if self.node == HOME else 0.0
        promised_s = (own_s + sum(self.exec_s(task) for task in ask.promised if task in self.executions)) / cores
        return Answer(
            placement=ask.placement,
            number=ask.number,
            state=ABLE,
            exec_s=self.exec_s(ask.task),
            busy_cores_ratio=min(1.0, self.used_cores / cores),
            memory_ratio=self.memory_ratio,
            promised_s=promised_s,
            reaches=self.reaches,
        )

    def _ability(self, task: str) -> tuple[Literal["able", "unable", "waiting"], str]:
        if self.unmeasured:
            return WAITING, f"measures its links to {', '.join(self.unmeasured)}"
        if task in self.failures:
            return UNABLE, self.failures[task]
        if task in self.executions:
            return ABLE, ""
        return (UNABLE, "was not measured") if self.is_profiled else (WAITING, f"measures {task}")

    @property
    def reaches(self) -> tuple[str, ...]:
        """The nodes that there is a link to."""
        return tuple(sorted(name for name, link in self.row.items() if _is_path(link)))

    def exec_s(self, task: str) -> float:
        """Seconds per item of a task that was measured here, its handling included.

        Waking up for an item counts when there is one; in a stream it depends on what others take, and is little.
        """
        profile = self.executions[task]
        is_stream = self.app.objective != "makespan"
        seconds = max(profile.median_s, handling.sustained_s(profile, self.cores) if is_stream else 0.0)
        if self.speed_score <= 0:
            return seconds
        waking_s = 0.0 if is_stream else handling.wake_s(self.speed_score)
        return seconds + waking_s + handling.rounds_s(handling.rounds(self.app, profile), self.speed_score)

    def sent_bytes(self, sources: Iterable[str], child: str) -> float:
        """What a child gets per item from those of its parents that run here."""
        return sum(self._bytes(source, child) for source in sources)

    def _bytes(self, source: str, child: str) -> float:
        measured = self.executions.get(child if source == HOME else source)
        if measured is None:
            return 0.0
        return measured.input_bytes if source == HOME else measured.output_bytes.get(child, 0.0)

    def delay_s(self, size_bytes: float, target: str) -> float:
        """Seconds from here to a node that is reached; none to this one."""
        return 0.0 if target == self.node else self.row[target].link().transfer_s(size_bytes)


def being_measured(
    row: Mapping[str, LinkEstimate], joined: Callable[[float], Iterable[str]], now_s: float
) -> tuple[str, ...]:
    """The nodes whose links from here may soon be known, or better known; `joined` gives who came after a moment."""
    unknown = {name for name in joined(now_s - PATIENCE_S) if name not in row}
    # It was not there when it was last looked for; a node that has just come back may be.
    returned = {name for name in joined(now_s - RETURN_S) if name in row and not _is_path(row[name])}
    return tuple(sorted(unknown | returned))


def _is_path(link: LinkEstimate) -> bool:
    return link.state != "down" and link.bandwidth_bytes_per_s > 0
