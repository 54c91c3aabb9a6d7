"""The records on the bus, as far as mapping needs them: profiles, applications, mappings, beats. Pure.

Fed by the service as they come, and by commands from what is there at a moment.
"""

from __future__ import annotations

from typing import Any, TypeVar

from mapper.table import ProfileTable
from mapper.usage import Activity
from runtime import codec, subjects
from runtime.app import App
from runtime.mapping import TaskMapping
from runtime.message import Record
from runtime.profiles import ExecutionProfile, LinkRow, NodeProfile
from runtime.records import Beat
from runtime.refusals import refuse
from runtime.taking import UNREADABLE

WANTED = (
    (subjects.CONTROL_STREAM, subjects.app("*")),
    (subjects.CONTROL_STREAM, subjects.mapping("*")),
    (subjects.PROFILE_STREAM, subjects.node_profile(None)),
    (subjects.PROFILE_STREAM, subjects.link_profile(None)),
    (subjects.PROFILE_STREAM, subjects.execution_profile("*", "*", None)),
    (subjects.STATUS_STREAM, subjects.status("*", "*", "*")),
)
"""What to follow, as (stream, subject)."""
PROFILER = "profiler-"
Value = TypeVar("Value")


def _put(known: dict[str, Value], name: str, value: Value | None) -> None:
    """Only once it was read: what cannot be must not pass for its absence."""
    known.pop(name, None)
    if value is not None:
        known[name] = value


class Records:
    """Everything the mapper knows."""

    def __init__(self) -> None:
        self.table = ProfileTable()
        self.apps: dict[str, App] = {}
        self.mappings: dict[str, TaskMapping] = {}
        self.epochs: dict[str, int] = {}
        self.activity = Activity()

    def take(self, record: Record, now_s: float, age_s: float) -> bool:
        """A record was written or is gone; whether a mapping may change by it. One that cannot be read is dropped."""
        try:
            decoded = None if record.payload is None else codec.decode_record(record.payload)
            return self._take(record, decoded, now_s, age_s)
        except UNREADABLE as error:
            refuse(f"the record {record.subject}", error)
            return False

    def _take(self, record: Record, decoded: dict[str, Any] | None, now_s: float, age_s: float) -> bool:
        said_s = now_s - max(0.0, age_s)
        match record.subject.split(".")[1:]:
            case ["app", name]:
                app = None if decoded is None else App.from_record(decoded)
                if app is not None and app.name != name:
                    raise ValueError(f"it is of {app.name}")
                _put(self.apps, name, app)
            case ["mapping", name]:
                _put(self.mappings, name, None if decoded is None else TaskMapping.from_record(decoded))
                self.epochs[name] = record.sequence
            case ["profile", "node", token]:
                self._take_node(subjects.node_name(token), decoded, now_s)
            case ["profile", "link", _] if decoded is not None:
                self.table.links(LinkRow.from_record(decoded), said_s)
            case ["profile", "exec", app, task, token]:
                if decoded is None:
                    self.table.forget_execution(app, task, subjects.node_name(token))
                else:
                    self.table.execution(ExecutionProfile.from_record(decoded), said_s)
            case ["status", app, _, incarnation]:
                beat = None if decoded is None else Beat.from_record(decoded)
                return self._take_beat(app, incarnation, beat, said_s)
        return True

    def _take_node(self, name: str, decoded: dict[str, Any] | None, now_s: float) -> None:
        if decoded is None:
            self.table.forget_node(name)
        else:
            self.table.node(NodeProfile.from_record(decoded), now_s)

    def _take_beat(self, app: str, incarnation: str, beat: Beat | None, said_s: float) -> bool:
        if beat is None:
            self.activity.forget(app, incarnation)
            return False
        if incarnation.startswith(PROFILER):
            if beat.state == "failed":
                self.table.failed(beat.app, beat.task, beat.node, beat.digest, beat.message)
            return beat.state == "failed"
        self.activity.heard(beat, said_s)
        return False

    def used_cores(self, app: str, now_s: float) -> dict[str, float]:
        """What the other applications use of each node."""
        return self.activity.used_cores(self.mappings, app, now_s)
