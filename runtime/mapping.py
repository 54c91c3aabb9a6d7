"""What the mapper says: which task runs where, what it expects of that, and why.

The epoch of a mapping is the stream sequence of its record: it grows by itself, whoever published it. A bare
`{task: node}` object (Jupiter's `mapping.json`) is a mapping without predictions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from runtime.app import App
from runtime.typed import read

BY_HAND = "given"
"""The algorithm of a mapping somebody put there ready-made; the mapper leaves it alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMapping:
    """Task to node, with the predictions of the mapper that made it (seconds; by task and by edge)."""

    assignment: Mapping[str, str]
    algorithm: str = BY_HAND
    objective: str = "period"
    digest: str = ""
    """Of the application it was made for; empty means any."""
    makespan_s: float | None = None
    period_s: float | None = None
    bottleneck: str = ""
    task_s: Mapping[str, float] = field(default_factory=dict)
    edge_s: Mapping[str, float] = field(default_factory=dict)
    """By `source>target`."""
    why: str = ""
    uncertain: Mapping[str, str] = field(default_factory=dict)
    """What the predictions rest on that was not simply measured: `task@node` or `node>node` to where it comes from."""

    def is_outdated(self, app: App, nodes: Collection[str]) -> bool:
        """Whether the application needs another: a task, its version or a node is not the mapping's any more.

        One that was put there by hand only has to name every task: its nodes are its author's concern.
        """
        if not set(app.graph.tasks) <= set(self.assignment):
            return True
        if self.algorithm == BY_HAND:
            return False
        return self.digest != app.digest or not set(self.assignment.values()) <= set(nodes)

    def to_record(self) -> dict[str, Any]:
        record = asdict(self)
        record["mapping"] = record.pop("assignment")
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> TaskMapping:
        """Read either form; raises ValueError with one sentence when it is neither."""
        if "mapping" not in record:
            return cls(assignment=_assignment(record))
        known = {name: record[name] for name in cls.__slots__ if name in record}
        return read(cls, {**known, "assignment": _assignment(record["mapping"])})


def _assignment(record: object) -> dict[str, str]:
    if not isinstance(record, Mapping):
        raise ValueError('a mapping must be an object {"task": "node", …}')
    for task, node in record.items():
        if not isinstance(task, str) or not isinstance(node, str):
            raise ValueError(f"mapping: {task!r} is mapped to {node!r}; both must be names")
    return dict(record)
