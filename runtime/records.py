"""What the dispatcher, the workers' parents, the workers and the heads say of one another, as records.

All are last value per subject. A reader that meets one it cannot read raises ValueError or KeyError or
TypeError at `from_record` and its caller counts and drops it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from runtime.network import HOME
from runtime.typed import MAX_WHOLE, check_names, check_not_negative, read

MAX_REPLICAS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredWorker:
    """A worker that a node should run. Written by the dispatcher, obeyed by the node's agent."""

    app: str
    task: str
    node: str
    digest: str
    epoch: int
    """Of the mapping that put it there."""
    replicas: int = 1

    def to_record(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> DesiredWorker:
        worker = read(cls, record)
        check_names(worker.app, worker.task)
        if not 0 <= worker.replicas <= MAX_REPLICAS:
            raise ValueError(f"{worker.replicas} replicas: it must be a number up to {MAX_REPLICAS}")
        return worker


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeRecord:
    """Who is live: the incarnations of every task and the head of every queue. Followed by every sender.

    Partition `k` of `n` of a partitioned task belongs to the `k`-th of its `n` incarnations.
    """

    app: str
    revision: int
    """Grows with every change (the dispatcher's own count; the stream sequence orders records)."""
    run: str = ""
    """Of the ingress: another one tells that the application was deleted and is there again, with all its queues new.
    """
    digest: str = ""
    epoch: int = 0
    entries: tuple[str, ...] = ()
    """The tasks that every input goes to."""
    fed: tuple[str, ...] = ()
    """Further tasks that inputs may be addressed to: the children of sources."""
    workers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Task to its incarnations."""
    partitioned: tuple[str, ...] = ()
    """The tasks at which each item has one owner, because parts of it meet there; others take what they have room for.
    """
    heads: Mapping[str, str] = field(default_factory=dict)
    """Queue to the one incarnation that reads it: of `home`, the ingress, a gateway's; of a task with a queue of its
    own, one of that task's."""
    segments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Queue to the tasks that its items reach before the next queue."""
    nodes: Mapping[str, str] = field(default_factory=dict)
    """Incarnation to node."""

    def to_record(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> EdgeRecord:
        edges = read(cls, record)
        # They become subjects. A name that cannot be one would take with it all that is sent in the same turn.
        check_names(edges.app, *edges.workers, *edges.incarnations(), *edges.entries, *edges.fed)
        check_names(*edges.segments, *edges.heads, *edges.heads.values())
        check_not_negative("a revision", edges.revision)
        return edges

    @property
    def gateway(self) -> str | None:
        """The head of the ingress."""
        return self.heads.get(HOME)

    def incarnations(self) -> frozenset[str]:
        """Every live worker's incarnation."""
        return frozenset(found for each in self.workers.values() for found in each)

    def workers_of(self, queue: str) -> dict[str, tuple[str, ...]]:
        """The live workers of the tasks that a queue's items reach before the next queue."""
        return {task: self.workers.get(task, ()) for task in self.segments.get(queue, ())}


Held = tuple[str, int, int]
"""(head, root, attempt)"""

READY, DRAINING, GONE = "ready", "draining", "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """A worker's (or, as task `home`, the gateway's) sign of life, once a second; the last one, `gone`, may be
    said by its parent."""

    app: str
    task: str
    incarnation: str
    node: str
    state: str
    number: int = 0
    digest: str = ""
    epoch: int = 0
    connections: int = 0
    """Grows when the bus connection was lost: what was under way may be."""
    holds: tuple[Held, ...] = ()
    """What waits for a machine here (never a part that waits for its siblings)."""
    waits: tuple[Held, ...] = ()
    """Parts that wait for their siblings, and join leftovers; the head says which are over."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """`in`, `out`, `results`, `filtered`, `dead`, `errors`, `busy_ms`, `dropped.<reason>`, … since the start."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """`in_per_s`, `out_per_s`, `busy_ratio`, …"""
    latencies_s: Mapping[str, float] = field(default_factory=dict)
    """`p50`, `p99` of user code (workers) or from end to end (gateway)."""
    message: str = ""
    is_spoken_for: bool = False
    """Said by its parent, while its code does not let it speak: it lives, and what it holds is not known."""

    @property
    def is_head(self) -> bool:
        return self.task == HOME

    def to_record(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Beat:
        held = {name: _held(record.get(name, ())) for name in ("holds", "waits")}
        beat = read(cls, {name: value for name, value in record.items() if name not in held})
        check_names(beat.app, beat.task, beat.incarnation)
        return replace(beat, holds=held["holds"], waits=held["waits"])


def _held(rows: Any) -> tuple[Held, ...]:
    """By hand: a beat may list thousands."""
    held = tuple((head, root, attempt) for head, root, attempt in rows)
    for head, root, attempt in held:
        if not (type(head) is str and _is_count(root) and _is_count(attempt)):
            raise ValueError("a beat that lists what is no root")
    return held


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < MAX_WHOLE
