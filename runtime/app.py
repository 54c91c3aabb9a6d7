"""An application as everybody else sees it: its graph and settings, and its form as a record on the bus.

`runtime.app_config` reads it from a folder; the digest names the bundle its code travels in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from runtime import subjects
from runtime.graph import Task, TaskGraph
from runtime.mapper_options import DEFAULT_MAPPER, MapperOptions
from runtime.network import HOME
from runtime.records import MAX_REPLICAS
from runtime.typed import read

MEBI = 1 << 20
MAX_TASKS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTask:
    """A task outside the graph: pinned to a host, no input; what it emits enters like ingress."""

    name: str
    script: str
    host: str
    children: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what an application may hold."""

    in_flight_items: int = 4096
    in_flight_bytes: int = 64 * MEBI
    ingress_bytes: int = 1024 * MEBI
    egress_bytes: int = 4096 * MEBI
    queue_bytes: int = 1024 * MEBI
    """Of each inner queue."""
    dead_bytes: int = 256 * MEBI
    join_bytes: int = 64 * MEBI
    """What a worker of a join keeps in memory of the parts that wait there; the rest goes to its disk."""
    objects_bytes: int = 8192 * MEBI
    """Of payloads that are too big for messages."""
    file_bytes: int = 8 * MEBI
    """A larger payload of codec `bytes` is given to user code as a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A validated application."""

    name: str
    graph: TaskGraph
    codec: str = "json"
    input: str | int = "lines"
    """How a file becomes items: `lines`, a number of lines, or `whole`."""
    objective: str = "period"
    mapper: str = DEFAULT_MAPPER
    mapper_options: MapperOptions = field(default_factory=MapperOptions)
    node_map: Mapping[str, str] = field(default_factory=dict)
    """Jupiter's node names to host names; empty means every node may be used."""
    sources: tuple[SourceTask, ...] = ()
    limits: Limits = field(default_factory=Limits)
    ports: tuple[tuple[int, int], ...] = ()
    """(service, container) ports of every container of the application, in a cluster."""
    namespace_prefix: str = ""
    """Of the Kubernetes namespaces, as Jupiter has it."""
    digest: str = ""
    """SHA-256 of the bundle its code travels in, hexadecimal."""

    @property
    def fed(self) -> tuple[str, ...]:
        """Tasks that only sources feed, in declaration order."""
        children = {child for source in self.sources for child in source.children}
        return tuple(task for task in self.graph.tasks if task in children and task not in self.graph.entries)

    def allows(self, node: str) -> bool:
        """Whether the application's tasks may be placed on a node of that name."""
        hosts = {name for key, host in self.node_map.items() if key != HOME for name in (key, host)}
        return not self.node_map or node in hosts

    @property
    def segments(self) -> dict[str, tuple[str, ...]]:
        """The tasks that each queue's items reach before the next queue; `home` is the ingress."""
        graph = self.graph
        return {HOME: graph.segment(*graph.entries, *self.fed)} | {task: graph.segment(task) for task in graph.queues}

    def with_digest(self, digest: str) -> App:
        """The same application, naming the bundle it was packed into."""
        return replace(self, digest=digest)

    def to_record(self) -> dict[str, Any]:
        """The application as plain values."""
        plain = ("name", "codec", "input", "objective", "mapper", "namespace_prefix", "digest")
        record = {name: getattr(self, name) for name in plain}
        record["mapper_options"] = self.mapper_options.to_record()
        record["node_map"] = dict(self.node_map)
        record["entries"] = list(self.graph.entries)
        record["tasks"] = [task.to_record() for task in self.graph.tasks.values()]
        record["sources"] = [asdict(source) for source in self.sources]
        record["limits"] = asdict(self.limits)
        record["ports"] = [list(pair) for pair in self.ports]
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> App:
        """Read a record; raises KeyError, TypeError or ValueError on one that is not an application."""
        tasks = [Task.from_record(task) for task in record["tasks"]]
        sources = [read(SourceTask, task) for task in record["sources"]]
        graph = TaskGraph({task.name: task for task in tasks}, tuple(record["entries"]))
        return _sound(
            cls(
                name=record["name"],
                graph=graph,
                codec=record["codec"],
                input=record["input"],
                objective=record["objective"],
                mapper=record["mapper"],
                mapper_options=MapperOptions.from_record(record.get("mapper_options", {})),
                node_map=record["node_map"],
                sources=tuple(sources),
                limits=read(Limits, record["limits"]),
                ports=tuple((service, container) for service, container in record.get("ports", ())),
                namespace_prefix=record.get("namespace_prefix", ""),
                digest=record["digest"],
            )
        )


def _sound(app: App) -> App:
    """The application, if nothing of it would fail later in the hands of those who serve all applications."""
    checked = read(App, {each.name: getattr(app, each.name) for each in fields(app)})
    tasks = app.graph.tasks.values()
    names = (app.name, *app.graph.tasks, *(source.name for source in app.sources))
    if wrong := [name for name in names if not subjects.NAME.fullmatch(name)]:
        raise ValueError(f"{wrong[0][:80]!r} is no name of an application or a task")
    if len(tasks) > MAX_TASKS:
        raise ValueError(f"an application has up to {MAX_TASKS} tasks, not {len(tasks)}")
    if not all(0 < task.replicas <= MAX_REPLICAS and task.retries >= 0 for task in tasks):
        raise ValueError(f"a task has 1 to {MAX_REPLICAS} replicas, and no retries or more")
    if not all(limit > 0 for limit in asdict(app.limits).values()):
        raise ValueError("a limit must be above zero")
    _ = app.graph.order  # there is none where there is a cycle
    return checked
