"""The records an agent follows, read and handed to the part they concern. One that cannot be read is dropped."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from agents.execution import ExecutionProfiler
from agents.executor import Executor
from agents.link_profiler import LinkProfiler
from agents.placing import Placing
from runtime import codec, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.errors import TransportError
from runtime.following import Follow
from runtime.mapping import BY_HAND, TaskMapping
from runtime.message import Record
from runtime.profiles import ExecutionProfile, NodeProfile
from runtime.records import DesiredWorker, EdgeRecord
from runtime.refusals import refuse

logger = logging.getLogger(__name__)

T = TypeVar("T")
MAX_NAME_CHARS = 512
MAX_REPLICAS = 256


class AgentRecords:
    """What one agent hears of the others."""

    def __init__(
        self,
        bus: Bus,
        node: str,
        links: LinkProfiler,
        profiler: ExecutionProfiler,
        executor: Executor,
        placing: Placing,
    ) -> None:
        self._bus = bus
        self._node = node
        self._links = links
        self._profiler = profiler
        self._executor = executor
        self._placing = placing
        self._follows: list[Follow] = []

    @contextlib.asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """While inside, everything is heard."""
        control = subjects.CONTROL_STREAM
        wanted = [
            (subjects.PROFILE_STREAM, subjects.node_profile(None), self._on_node),
            (control, subjects.worker(self._node, "*", "*"), self._on_worker),
            (control, subjects.edges("*"), self._on_edges),
            (control, subjects.mapping("*"), self._on_mapping),
            (control, subjects.app("*"), self._on_app),
        ]
        async with contextlib.AsyncExitStack() as stack:
            self._follows = [await stack.enter_async_context(self._bus.follow(*each)) for each in wanted]
            yield

    async def caught_up(self) -> None:
        """Everything that was there has been heard: only now may something be missing."""
        for follow in self._follows:
            await follow.caught_up

    async def recall(self, cores: float) -> None:
        """What an earlier agent of this node measured, if the node is still what it was."""
        stream, mine = subjects.PROFILE_STREAM, subjects.execution_profile("*", "*", self._node)
        try:
            before = await self._bus.snapshot(stream, subjects.node_profile(self._node))
            found = await self._bus.snapshot(stream, mine) if before else []
        except TransportError as error:
            logger.info("earlier profiles are not read, everything is measured again: %s", error)
            return
        nodes = [_read(record, _node) for record in before]
        if all(node is not None and node.cores == cores for node in nodes):
            profiles = [_read(record, _execution) for record in found]
            self._profiler.remember(profile for profile in profiles if profile is not None)

    def _on_node(self, record: Record) -> None:
        profile = _read(record, _node)
        if profile is not None:
            self._links.heard(profile)
            self._placing.heard_node(profile)

    def _on_worker(self, record: Record) -> None:
        app, task = record.subject.split(".")[-2:]
        worker = _read(record, _worker)
        if record.payload is None or (worker is not None and _is_at(record, worker.app, worker.task)):
            self._executor.desire((app, task), worker)

    def _on_edges(self, record: Record) -> None:
        edges = _read(record, _edges)
        if edges is not None or record.payload is None:
            self._executor.connect(_last_token(record), edges)
        if edges is not None:
            self._profiler.runs(_last_token(record), edges.run)

    def _on_app(self, record: Record) -> None:
        app = _read(record, _app)
        if record.payload is None or (app is not None and _is_at(record, app.name)):
            self._profiler.heard(_last_token(record), app)
            self._placing.heard_app(_last_token(record), app)

    def _on_mapping(self, record: Record) -> None:
        mapping = _read(record, TaskMapping.from_record)
        self._profiler.given(_last_token(record), mapping is not None and mapping.algorithm == BY_HAND)
        self._placing.heard_mapping(_last_token(record), mapping, record.sequence)


# A record that can be read may still hold what would fail much later, far from whoever put it there.
def _check_text(*values: object) -> None:
    for value in values:
        if not isinstance(value, str) or len(value) > MAX_NAME_CHARS:
            raise ValueError(f"{str(value)[:80]!r} stands where a name should")


def _node(record: dict[str, Any]) -> NodeProfile:
    profile = NodeProfile.from_record(record)
    _check_text(profile.node, profile.agent)
    return profile


def _execution(record: dict[str, Any]) -> ExecutionProfile:
    profile = ExecutionProfile.from_record(record)
    _check_text(profile.app, profile.task, profile.node, profile.digest)
    return profile


def _worker(record: dict[str, Any]) -> DesiredWorker:
    worker = DesiredWorker.from_record(record)
    _check_text(worker.app, worker.task, worker.node, worker.digest)
    if not (isinstance(worker.replicas, int) and 0 <= worker.replicas <= MAX_REPLICAS):
        raise ValueError(f"{worker.replicas!r} replicas: must be a number up to {MAX_REPLICAS}")
    return worker


def _edges(record: dict[str, Any]) -> EdgeRecord:
    edges = EdgeRecord.from_record(record)
    _check_text(edges.app, edges.run, *edges.incarnations())
    return edges


def _app(record: dict[str, Any]) -> App:
    app = App.from_record(record)
    _check_text(app.name, app.digest, *app.graph.order, *app.node_map, *app.node_map.values())
    return app


def _read(record: Record, read: Callable[[dict[str, Any]], T]) -> T | None:
    """The record's value; None when there is none any more, or when it cannot be read."""
    if record.payload is None:
        return None
    try:
        return read(codec.decode_record(record.payload))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        refuse(f"the record {record.subject}", f"{type(error).__name__}: {error}")
        return None


def _is_at(record: Record, *names: str) -> bool:
    """Whether a record lies where its contents say."""
    if tuple(record.subject.split(".")[-len(names) :]) == names:
        return True
    refuse(f"the record {record.subject}", f"it says that it is of {'.'.join(names)}")
    return False


def _last_token(record: Record) -> str:
    return record.subject.rpartition(".")[2]
