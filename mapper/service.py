"""The mapper's process: profiles in, mappings out.

It maps an application when it is new or changed, when a node of its mapping is gone, and when nodes have come
or gone; a mapping that somebody put there by hand is left alone. What it waits for it says in its beats.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from mapper import costs, registry
from mapper.result import Objective
from mapper.table import ProfileTable
from runtime import codec, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.errors import TransportError, UsageError
from runtime.mapping import BY_HAND, TaskMapping
from runtime.message import Record
from runtime.profiles import ExecutionProfile, LinkRow, NodeProfile
from runtime.records import READY, Beat
from runtime.service import Service

logger = logging.getLogger(__name__)

Value = TypeVar("Value")

PERIOD_S = 0.5
SETTLE_S = 1.0
"""Nodes come in groups: a mapping waits until none has joined for this long."""


class MapperService:
    """What is known, and the loop that maps."""

    def __init__(self, bus: Bus, incarnation: str, expected_nodes: int) -> None:
        self._bus = bus
        self._incarnation = incarnation
        self._expected_nodes = expected_nodes
        self._loop = asyncio.get_running_loop()
        self._table = ProfileTable()
        self._apps: dict[str, App] = {}
        self._mappings: dict[str, TaskMapping] = {}
        self._mapped_nodes: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._nodes: tuple[str, ...] = ()
        self._nodes_changed_s = self._loop.time()
        self._said: dict[str, str] = {}
        self._beats = 0
        self._changed = asyncio.Event()

    async def serve(self, service: Service) -> None:
        """Follow profiles and applications, and map, until stopped."""
        profiles, control = subjects.PROFILE_STREAM, subjects.CONTROL_STREAM
        follow, guard = self._bus.follow, self._guard
        for stream in (profiles, control, subjects.STATUS_STREAM):
            while await self._bus.stream_state(stream) is None:  # noqa: ASYNC110 - the dispatcher makes it
                await asyncio.sleep(0.05)
        async with (
            follow(control, subjects.app("*"), guard(self._on_app)) as apps,
            follow(control, subjects.mapping("*"), guard(self._on_mapping)) as mappings,
            follow(profiles, "jupiter.profile.node.*", guard(self._on_node)) as nodes,
            follow(profiles, "jupiter.profile.link.*", guard(self._on_links)) as links,
            follow(profiles, "jupiter.profile.exec.>", guard(self._on_execution)) as executions,
            follow(subjects.STATUS_STREAM, subjects.status("*", "*", "*"), guard(self._on_beat)),
        ):
            for handle in (apps, mappings, nodes, links, executions):
                await handle.caught_up
            while not service.stopping.is_set():
                await self._map_all()
                await service.pause(self._changed, PERIOD_S)

    # ---- what comes in

    def _guard(self, handler: Callable[[list[str], dict[str, Any] | None], None]) -> Callable[[Record], None]:
        """Decode a record; one that cannot be read is said and dropped."""

        def on_record(record: Record) -> None:
            try:
                decoded = None if record.payload is None else codec.decode_record(record.payload)
                handler(record.subject.split("."), decoded)
            except (ValueError, KeyError, TypeError) as error:
                logger.warning("refused the record %s: %s", record.subject, error)

        return on_record

    def _on_app(self, tokens: list[str], record: dict[str, Any] | None) -> None:
        self._apps.pop(tokens[-1], None)
        if record is not None:
            self._apps[tokens[-1]] = App.from_record(record)
        self._changed.set()

    def _on_mapping(self, tokens: list[str], record: dict[str, Any] | None) -> None:
        self._mappings.pop(tokens[-1], None)
        if record is not None:
            self._mappings[tokens[-1]] = TaskMapping.from_record(record)
        self._changed.set()

    def _on_node(self, tokens: list[str], record: dict[str, Any] | None) -> None:
        if record is None:
            self._table.forget_node(subjects.node_name(tokens[-1]))
        else:
            self._table.node(NodeProfile.from_record(record), self._loop.time())
        self._note_nodes()

    def _note_nodes(self) -> None:
        nodes = self._table.alive(self._loop.time())
        if nodes != self._nodes:
            self._nodes, self._nodes_changed_s = nodes, self._loop.time()
            self._changed.set()

    def _on_links(self, tokens: list[str], record: dict[str, Any] | None) -> None:
        if record is not None:
            self._table.links(LinkRow.from_record(record))
            self._changed.set()

    def _on_execution(self, tokens: list[str], record: dict[str, Any] | None) -> None:
        if record is None:
            self._table.forget_execution(tokens[-3], tokens[-2], subjects.node_name(tokens[-1]))
        else:
            self._table.execution(ExecutionProfile.from_record(record))
            self._changed.set()

    def _on_beat(self, tokens: list[str], record: dict[str, Any] | None) -> None:
        if record is None:
            return
        beat = Beat.from_record(record)
        if beat.state == "failed" and beat.incarnation.startswith("profiler-"):
            self._table.failed(beat.app, beat.task, beat.node, beat.digest, beat.message)
            self._changed.set()

    # ---- what is done

    async def _map_all(self) -> None:
        self._note_nodes()
        for name, app in sorted(self._apps.items()):
            message = await self._map(app)
            if message != self._said.get(name):
                self._said[name] = message
                logger.info("%s: %s", name, message or "mapped")
            self._beat(app, message)
        for name in sorted(self._said.keys() - self._apps.keys()):
            del self._said[name]

    async def _map(self, app: App) -> str:
        """Map if there is reason to; what is waited for, or empty."""
        now_s = self._loop.time()
        current = self._mappings.get(app.name)
        nodes = self._table.candidates(app, now_s)
        if current is not None and not self._is_outdated(app, current, nodes):
            return ""
        # A node that is gone leaves tasks without a place: no time to wait for others to settle.
        is_lost = current is not None and not set(current.assignment.values()) <= set(nodes)
        if not is_lost and now_s - self._nodes_changed_s < SETTLE_S and not self._is_complete(now_s):
            return "waiting for nodes to settle"
        missing = self._table.missing(app, now_s, self._expected_nodes if current is None else 0)
        if missing and not is_lost:
            return str(missing)
        try:
            problem = costs.build(app, self._table, now_s)
            objective: Objective = "makespan" if app.objective == "makespan" else "period"
            options, clock = app.mapper_options, self._loop.time
            result = registry.solve(problem, app.mapper, objective, options=options, clock=clock)
        except UsageError as error:
            return f"cannot map: {error}"
        try:
            await self._publish(app, result.to_mapping(app.digest), nodes)
        except TransportError as error:
            return f"mapped, but the mapping is not published: {error}"
        return ""

    def _is_complete(self, now_s: float) -> bool:
        """Everybody who is expected is there."""
        return 0 < self._expected_nodes <= len(self._table.alive(now_s))

    def _is_outdated(self, app: App, current: TaskMapping, nodes: tuple[str, ...]) -> bool:
        if current.algorithm == BY_HAND and set(app.graph.tasks) <= set(current.assignment):
            return False
        if current.digest != app.digest or not set(current.assignment.values()) <= set(nodes):
            return True
        digest, mapped = self._mapped_nodes.setdefault(app.name, (app.digest, nodes))
        return (digest, mapped) != (app.digest, nodes)

    async def _publish(self, app: App, mapping: TaskMapping, nodes: tuple[str, ...]) -> None:
        mapping = replace(
            mapping,
            assignment=costs.without_home(mapping.assignment),
            task_s=costs.without_home(mapping.task_s),
        )
        before = self._mapped_nodes.get(app.name), self._mappings.get(app.name)
        self._mapped_nodes[app.name] = (app.digest, nodes)
        self._mappings[app.name] = mapping
        try:
            await self._bus.put_record(subjects.mapping(app.name), codec.encode_record(mapping.to_record()))
        except TransportError:
            # It may be there or not: as long as nobody says that it is, it is made again.
            if self._mappings.get(app.name) is mapping:
                _put_back(self._mapped_nodes, app.name, before[0])
                _put_back(self._mappings, app.name, before[1])
            raise
        logger.info("%s: %s maps %s", app.name, mapping.algorithm, dict(mapping.assignment))

    def _beat(self, app: App, message: str) -> None:
        self._beats += 1
        beat = Beat(
            app=app.name,
            task="mapper",
            incarnation=self._incarnation,
            node="home",
            state="waiting" if message else READY,
            number=self._beats,
            digest=app.digest,
            message=message,
        )
        subject = subjects.status(app.name, "mapper", self._incarnation)
        self._bus.publish(subject, codec.encode_record(beat.to_record()))


def _put_back(known: dict[str, Value], name: str, value: Value | None) -> None:
    known.pop(name, None)
    if value is not None:
        known[name] = value


async def run_mapper(service: Service, bus: Bus, incarnation: str, expected_nodes: int = 0) -> None:
    """Map until stopped."""
    await MapperService(bus, incarnation, expected_nodes).serve(service)
