"""The records an agent follows, read and handed to the part they concern. One that cannot be read is dropped."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from agents.execution import ExecutionProfiler
from agents.executor import Executor
from agents.probe import LinkProfiler
from runtime import codec, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.errors import TransportError
from runtime.mapping import BY_HAND, TaskMapping
from runtime.message import Record
from runtime.profiles import ExecutionProfile, NodeProfile
from runtime.records import DesiredWorker, EdgeRecord

logger = logging.getLogger(__name__)

T = TypeVar("T")


class AgentRecords:
    """What one agent hears of the others."""

    def __init__(
        self, bus: Bus, node: str, links: LinkProfiler, profiler: ExecutionProfiler, executor: Executor
    ) -> None:
        self._bus = bus
        self._node = node
        self._links = links
        self._profiler = profiler
        self._executor = executor

    @contextlib.asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """While inside, everything is heard; on entry, everything there was has been heard."""
        control, token = subjects.CONTROL_STREAM, subjects.node_token(self._node)
        follow = self._bus.follow
        async with (
            follow(subjects.PROFILE_STREAM, "jupiter.profile.node.*", self._on_node) as nodes,
            follow(control, f"jupiter.worker.{token}.*.*", self._on_worker) as workers,
            follow(control, subjects.edges("*"), self._on_edges) as edges,
            follow(control, subjects.mapping("*"), self._on_mapping) as mappings,
            follow(control, subjects.app("*"), self._on_app) as apps,
        ):
            for each in (nodes, workers, edges, mappings, apps):
                await each.caught_up
            yield

    async def recall(self, cores: float) -> None:
        """What an earlier agent of this node measured, if the node is still what it was."""
        stream, mine = subjects.PROFILE_STREAM, subjects.execution_profile("*", "*", self._node)
        try:
            before = await self._bus.snapshot(stream, subjects.node_profile(self._node))
            found = await self._bus.snapshot(stream, mine) if before else []
        except TransportError as error:
            logger.info("earlier profiles are not read, everything is measured again: %s", error)
            return
        nodes = [_read(record, NodeProfile.from_record) for record in before]
        if all(node is not None and node.cores == cores for node in nodes):
            profiles = [_read(record, ExecutionProfile.from_record) for record in found]
            self._profiler.remember(profile for profile in profiles if profile is not None)

    def _on_node(self, record: Record) -> None:
        profile = _read(record, NodeProfile.from_record)
        if profile is not None:
            self._links.heard(profile)

    def _on_worker(self, record: Record) -> None:
        app, task = record.subject.split(".")[-2:]
        worker = _read(record, DesiredWorker.from_record)
        if worker is not None or record.payload is None:
            self._executor.desire((app, task), worker)

    def _on_edges(self, record: Record) -> None:
        edges = _read(record, EdgeRecord.from_record)
        if edges is not None or record.payload is None:
            self._executor.connect(_last_token(record), edges)

    def _on_app(self, record: Record) -> None:
        app = _read(record, App.from_record)
        if app is not None or record.payload is None:
            self._profiler.heard(_last_token(record), app)

    def _on_mapping(self, record: Record) -> None:
        mapping = _read(record, TaskMapping.from_record)
        self._profiler.given(_last_token(record), mapping is not None and mapping.algorithm == BY_HAND)


def _read(record: Record, read: Callable[[dict[str, Any]], T]) -> T | None:
    """The record's value; None when there is none any more, or when it cannot be read."""
    if record.payload is None:
        return None
    try:
        return read(codec.decode_record(record.payload))
    except (ValueError, KeyError, TypeError) as error:
        logger.warning("refused the record %s: %s: %s", record.subject, type(error).__name__, error)
        return None


def _last_token(record: Record) -> str:
    return record.subject.rpartition(".")[2]
