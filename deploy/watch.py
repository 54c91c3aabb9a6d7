"""What is known of one application, kept up to date from the records on the bus: for progress, waiting, reports."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from runtime import codec, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.mapping import TaskMapping
from runtime.message import Record
from runtime.network import HOME
from runtime.profiles import ExecutionProfile, LinkRow, NodeProfile
from runtime.records import GONE, Beat, EdgeRecord
from runtime.refusals import refuse

FAILED = "failed"
PROFILER = "profiler-"


@dataclass(slots=True)
class Picture:
    """The records of one application and of the nodes, as they are now."""

    app: str
    edges: EdgeRecord | None = None
    mapping: TaskMapping | None = None
    mapping_fault: str = ""
    """Why the record of the mapping cannot be read; the one before it is in force, where there was one."""
    epoch: int = 0
    beats: dict[str, Beat] = field(default_factory=dict)
    """By incarnation: the last beat of each that is not gone."""
    counts: dict[tuple[str, str], Mapping[str, int]] = field(default_factory=dict)
    """By (task, incarnation), gone ones included: what each had counted when it was last heard."""
    executions: dict[tuple[str, str], ExecutionProfile] = field(default_factory=dict)
    """By (task, node)."""
    failures: dict[tuple[str, str], Beat] = field(default_factory=dict)
    """By (task, incarnation): the last word of a worker or profiler that could not load or set up its task."""
    nodes: dict[str, NodeProfile] = field(default_factory=dict)
    links: dict[str, LinkRow] = field(default_factory=dict)

    @property
    def head(self) -> Beat | None:
        """The last beat of the gateway that is in force."""
        gateway = None if self.edges is None else self.edges.gateway
        return None if gateway is None else self.beats.get(gateway)

    def mapper_message(self, app: App) -> str:
        """What the mapper waits for, in its own words; what it said of another version does not count."""
        return self._message(subjects.MAPPER, app.digest)

    def dispatcher_message(self) -> str:
        """What the dispatcher waits for or refuses, in its own words."""
        return self._message(subjects.DISPATCHER)

    def _message(self, task: str, digest: str | None = None) -> str:
        said = [beat for beat in self.beats.values() if beat.task == task and digest in (None, beat.digest)]
        return said[0].message if said else ""

    def ready(self, app: App) -> list[str]:
        """The tasks that items are sent to, in this version."""
        if self.edges is None or self.edges.digest != app.digest:
            return []
        names = {task: self.edges.workers.get(task, ()) for task in app.graph.tasks}
        return [task for task, found in names.items() if found and all(name in self.beats for name in found)]

    def is_in_place(self, app: App) -> bool:
        """Whether items flow through this version of the application, where the mapping says."""
        if self.edges is None or self.edges.gateway not in self.beats or len(self.ready(app)) < len(app.graph.tasks):
            return False
        wanted = {} if self.mapping is None else self.mapping.assignment
        return all(wanted.get(task) in (None, *node_of(self, task)) for task in app.graph.tasks)

    def total(self, task: str) -> dict[str, int]:
        """What all incarnations of a task have counted, the ones that are gone included."""
        total: dict[str, int] = {}
        for (name, _), counts in self.counts.items():
            if name == task:
                for what, count in counts.items():
                    total[what] = total.get(what, 0) + count
        return total

    def level(self, name: str) -> float:
        """The sum of what all that live say of one of their levels."""
        return sum(beat.rates.get(name, 0.0) for beat in self.beats.values())

    # ---- records

    def take(self, record: Record) -> None:
        """A record was written or is gone; one that cannot be read is dropped."""
        try:
            decoded = None if record.payload is None else codec.decode_record(record.payload)
            self._take(record, decoded)
        except (ValueError, KeyError, TypeError) as error:
            if record.subject == subjects.mapping(self.app):
                self.mapping_fault = f"the mapping cannot be read: {error}"
            else:
                refuse(f"the record {record.subject}", error)

    def _take(self, record: Record, decoded: dict[str, Any] | None) -> None:
        match record.subject.split(".")[1:]:
            case ["edges", _]:
                self.edges = None if decoded is None else EdgeRecord.from_record(decoded)
            case ["mapping", _]:
                self.mapping = None if decoded is None else TaskMapping.from_record(decoded)
                self.mapping_fault, self.epoch = "", record.sequence
            case ["status", _, task, incarnation]:
                self._take_beat(task, incarnation, None if decoded is None else Beat.from_record(decoded))
            case ["profile", "exec", _, task, token]:
                _put(self.executions, (task, subjects.node_name(token)), decoded, ExecutionProfile.from_record)
            case ["profile", "node", token]:
                _put(self.nodes, subjects.node_name(token), decoded, NodeProfile.from_record)
            case ["profile", "link", token]:
                _put(self.links, subjects.node_name(token), decoded, LinkRow.from_record)

    def _take_beat(self, task: str, incarnation: str, beat: Beat | None) -> None:
        if beat is None or beat.state == GONE:
            self.beats.pop(incarnation, None)
            if incarnation.startswith(PROFILER):  # a worker that has failed is gone as well
                self.failures.pop((task, incarnation), None)
        elif beat.state == FAILED:
            self.failures[task, incarnation] = beat
        else:
            self.beats[incarnation] = beat
            self.counts[task, incarnation] = beat.counts


def _put(into: dict[Any, Any], key: object, record: dict[str, Any] | None, read: Callable[[Any], object]) -> None:
    if record is None:
        into.pop(key, None)
    else:
        into[key] = read(record)


class Watch:
    """`async with Watch(bus, app) as watch: await watch.until(…)`; on entry all present records are known."""

    def __init__(self, bus: Bus, app: str) -> None:
        self.picture = Picture(app)
        self._bus = bus
        self._changed = asyncio.Event()
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            follows = [
                await stack.enter_async_context(self._bus.follow(stream, subject, self._take))
                for stream, subject in wanted(self.picture.app)
            ]
            for follow in follows:
                await follow.caught_up
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def _take(self, record: Record) -> None:
        self.picture.take(record)
        self._changed.set()

    async def until(self, is_so: Callable[[Picture], bool]) -> None:
        """Wait for it; looked at after every change."""
        while not is_so(self.picture):
            self._changed.clear()
            await self._changed.wait()


def node_of(picture: Picture, task: str) -> list[str]:
    """Where a task really runs now."""
    edges = picture.edges
    if edges is None:
        return []
    names = [edges.gateway] if task == HOME and edges.gateway else edges.workers.get(task, ())
    return [edges.nodes.get(name, "?") for name in names]


async def look(bus: Bus, app: str) -> Picture:
    """The picture at this moment."""
    picture = Picture(app)
    for stream, subject in wanted(app):
        for record in await bus.snapshot(stream, subject):
            picture.take(record)
    return picture


def wanted(app: str) -> tuple[tuple[str, str], ...]:
    """The records a picture is made of, as (stream, subject)."""
    control, profile = subjects.CONTROL_STREAM, subjects.PROFILE_STREAM
    return (
        (control, subjects.edges(app)),
        (control, subjects.mapping(app)),
        (subjects.STATUS_STREAM, subjects.status(app, "*", "*")),
        (profile, subjects.execution_profile(app, "*", None)),
        (profile, subjects.node_profile(None)),
        (profile, subjects.link_profile(None)),
    )
