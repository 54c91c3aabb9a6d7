"""The mapper's process: profiles in, mappings out.

It maps an application when it is new or changed and when a node of its mapping is gone; it looks again when profiles
have changed, and moves what runs only if that clearly pays (`mapper.decide`). A mapping that somebody put there by
hand is left alone. What it waits for it says in its beats.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, field, replace
from typing import TypeVar

from mapper import costs, registry, warm
from mapper.costs import Stated
from mapper.decide import Hesitation, Occasion
from mapper.problem import Problem, ProblemError
from mapper.records import WANTED, Records
from mapper.result import Asked, MappingResult, Objective
from runtime import codec, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.bus_errors import WrongLastSequence
from runtime.errors import JupiterError, TransportError, UsageError
from runtime.mapping import BY_HAND, TaskMapping
from runtime.message import Record
from runtime.records import READY, Beat
from runtime.refusals import refused
from runtime.service import Service
from runtime.wave import is_placed_by_agents

logger = logging.getLogger(__name__)

Value = TypeVar("Value")

PERIOD_S = 0.5
SETTLE_S = 1.0
"""Nodes come in groups: a mapping waits until none has joined for this long."""
SEARCHING = ("auto", "throughput")
"""Mappers that gain from starting at the mapping in force."""


@dataclass(slots=True)
class _Standing:
    """What is remembered of an application that is mapped."""

    digest: str
    nodes: tuple[str, ...]
    """That have been considered."""
    hesitation: Hesitation = field(default_factory=Hesitation)
    occasion: Occasion = field(default_factory=Occasion)
    said: str = ""


class MapperService:
    """What is known, and the loop that maps."""

    def __init__(self, bus: Bus, incarnation: str, expected_nodes: int) -> None:
        self._bus = bus
        self._incarnation = incarnation
        self._expected_nodes = expected_nodes
        self._loop = asyncio.get_running_loop()
        self._records = Records()
        self._standings: dict[str, _Standing] = {}
        self._nodes: tuple[str, ...] = ()
        self._nodes_changed_s = self._loop.time()
        self._said: dict[str, str] = {}
        self._beats = 0
        self._changed = asyncio.Event()

    async def serve(self, service: Service) -> None:
        """Follow profiles and applications, and map, until stopped."""
        for stream in {stream: None for stream, _ in WANTED}:
            while await self._bus.stream_state(stream) is None:  # noqa: ASYNC110 - the dispatcher makes it
                await asyncio.sleep(0.05)
        async with contextlib.AsyncExitStack() as stack:
            follows = [await stack.enter_async_context(self._bus.follow(*each, self._take)) for each in WANTED]
            for follow in follows:
                await follow.caught_up
            while not service.stopping.is_set():
                await self._map_all()
                await service.pause(self._changed, PERIOD_S)

    def _take(self, record: Record) -> None:
        if self._records.take(record, self._loop.time(), time.time() - record.timestamp_s):
            self._note_nodes()
            self._changed.set()

    def _note_nodes(self) -> None:
        nodes = self._records.table.alive(self._loop.time())
        if nodes != self._nodes:
            self._nodes, self._nodes_changed_s = nodes, self._loop.time()
            self._changed.set()

    async def _map_all(self) -> None:
        self._note_nodes()
        apps = {name: app for name, app in sorted(self._records.apps.items()) if not is_placed_by_agents(app)}
        for name, app in apps.items():
            message = await self._try(app)
            if message != self._said.get(name):
                self._said[name] = message
                logger.info("%s: %s", name, message or "mapped")
            self._beat(app, message)
        for name in sorted(self._said.keys() - apps.keys()):
            del self._said[name]
            self._standings.pop(name, None)

    async def _try(self, app: App) -> str:
        """One application's numbers, whoever wrote them, must not take the mapper from the others."""
        try:
            return await self._map(app)
        except JupiterError:
            raise
        except Exception as error:
            logger.exception("%s cannot be mapped", app.name)
            return f"cannot map: {type(error).__name__}: {error} (a fault of ours; the mapper's log has more)"

    async def _map(self, app: App) -> str:
        """Map if there is reason to; what is waited for, or empty."""
        now_s = self._loop.time()
        table, current = self._records.table, self._records.mappings.get(app.name)
        nodes = table.candidates(app, now_s)
        if current is not None and not current.is_outdated(app, nodes):
            await self._reconsider(app, current, nodes)
            return ""
        # A node that is gone leaves tasks without a place: no time to wait for others to settle.
        is_lost = current is not None and not set(current.assignment.values()) <= set(nodes)
        if not is_lost and now_s - self._nodes_changed_s < SETTLE_S and not self._is_complete(now_s):
            return "waiting for nodes to settle"
        missing = table.missing(app, now_s, self._expected_nodes if current is None else 0)
        if missing and not is_lost:
            return str(missing)
        try:
            stated = self._state(app)
            found = self._solve(app, stated)
        except UsageError as error:
            return f"cannot map: {error}"
        return await self._put(app, stated, found)

    def _is_complete(self, now_s: float) -> bool:
        """Everybody who is expected is there."""
        return 0 < self._expected_nodes <= len(self._records.table.alive(now_s))

    def _state(self, app: App) -> Stated:
        records, now_s = self._records, self._loop.time()
        return costs.state(app, records.table, now_s, records.used_cores(app.name, now_s))

    def _solve(self, app: App, stated: Stated) -> MappingResult:
        found = registry.solve(
            stated.problem,
            app.mapper,
            _objective(app),
            options=app.mapper_options,
            is_order_kept=False,
            clock=self._loop.time,
        )
        return _foretold(stated, found)

    # ---- a mapping in force

    async def _reconsider(self, app: App, current: TaskMapping, nodes: tuple[str, ...]) -> None:
        """Move to a better mapping if that pays; whether it was considered and why not is said in the log."""
        now_s = self._loop.time()
        if current.algorithm == BY_HAND:
            return
        standing = self._standings.get(app.name)
        if standing is None or standing.digest != app.digest:
            standing = self._standings[app.name] = _Standing(app.digest, nodes)
        has_joined = not set(nodes) <= set(standing.nodes) and now_s - self._nodes_changed_s >= SETTLE_S
        if self._records.table.missing(app, now_s) or (standing.occasion.is_early(now_s) and not has_joined):
            return
        try:
            stated = self._state(app)
            if standing.occasion.is_due(now_s, stated.problem, standing.hesitation.in_favour) or has_joined:
                await self._judge(app, stated, current, standing, has_joined=has_joined)
                standing.nodes = nodes
        except UsageError as error:
            self._say(app, standing, f"there is no other: {error}")

    async def _judge(
        self, app: App, stated: Stated, current: TaskMapping, standing: _Standing, *, has_joined: bool
    ) -> None:
        """Compare the mapping in force with the best other, both by today's numbers, and put what is to be."""
        now_s, problem = self._loop.time(), stated.problem
        candidate, in_force = self._solve(app, stated), _in_force(problem, current)
        try:
            plan = warm.as_it_is(problem, in_force)
            today = _foretold(stated, registry.judged(problem, current.algorithm, _objective(app), plan))
        except ProblemError:
            await self._put(app, stated, candidate)  # it cannot run like this any more: a link or a node is gone
            return
        if app.mapper in SEARCHING:
            plan = warm.solve(problem, Asked(objective=_objective(app), options=app.mapper_options), in_force)
            other = _foretold(stated, registry.judged(problem, candidate.algorithm, _objective(app), plan))
            candidate = min(candidate, other, key=lambda result: result.objective_s)
        after = costs.without_home(candidate.assignment)
        stay = standing.hesitation.reason_to_stay(
            now_s, today.objective_s, candidate.objective_s, current.assignment, after, is_event=has_joined
        )
        self._say(app, standing, stay)
        if not stay:
            why = f"{candidate.why}; moved from {today.objective_s:.3g} s per item"
            if not await self._put(app, stated, replace(candidate, why=why)):
                standing.hesitation.moved(now_s, current.assignment, after)
        elif has_joined:
            # What it foretells may be new, and whoever waits for the node to be considered sees that it was.
            await self._put(app, stated, replace(today, why=f"as before: {stay}"))

    def _say(self, app: App, standing: _Standing, stay: str) -> None:
        if stay != standing.said:
            standing.said = stay
            logger.info("%s: %s", app.name, f"stays as it is: {stay}" if stay else "moves")

    # ---- what is said

    async def _put(self, app: App, stated: Stated, found: MappingResult) -> str:
        """Publish a mapping; what went wrong, or empty."""
        mapping = found.to_mapping(app.digest)
        mapping = replace(
            mapping,
            assignment=costs.without_home(mapping.assignment),
            bottleneck=costs.plain(mapping.bottleneck),
            task_s=costs.without_home(mapping.task_s),
            uncertain=stated.uncertain_in(mapping.assignment),
        )
        records, subject = self._records, subjects.mapping(app.name)
        before, epoch = records.mappings.get(app.name), records.epochs.get(app.name, 0)
        records.mappings[app.name] = mapping
        try:
            payload = codec.encode_record(mapping.to_record())
            put = await self._bus.put_record(subject, payload, expected_last_sequence=epoch)
        except TransportError as error:
            # It may be there or not: as long as nobody says that it is, it is made again.
            if records.mappings.get(app.name) is mapping:
                _put_back(records.mappings, app.name, before)
            if isinstance(error, WrongLastSequence):
                await self._look(app.name)
                return "somebody else was first to map it"
            return f"mapped, but the mapping is not published: {error}"
        records.epochs[app.name] = max(put, records.epochs.get(app.name, 0))
        logger.info("%s: %s maps %s", app.name, mapping.algorithm, dict(mapping.assignment))
        return ""

    async def _look(self, name: str) -> None:
        """What mapping there is that we have not heard of: one by hand, one that is gone, or our own first try."""
        with contextlib.suppress(TransportError):
            found = await self._bus.leader_last_message(subjects.CONTROL_STREAM, subjects.mapping(name))
            if found is None:
                self._records.epochs[name] = 0
            else:
                self._take(replace(found.as_record(), payload=found.payload or None))

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
            counts={"refused": refused()},
            message=message,
        )
        subject = subjects.status(app.name, "mapper", self._incarnation)
        self._bus.publish(subject, codec.encode_record(beat.to_record()))


def _objective(app: App) -> Objective:
    return "makespan" if app.objective == "makespan" else "period"


def _foretold(stated: Stated, found: MappingResult) -> MappingResult:
    """What a mapping will do, at its own pace: that is what mappings are compared by and what is published."""
    return registry.again(stated.settled(found.schedule.assignment).problem, found)


def _in_force(problem: Problem, current: TaskMapping) -> list[int]:
    """The mapping by indices; what stands for home is where it can only be."""
    index = {node: number for number, node in enumerate(problem.nodes)}
    return [
        index[current.assignment[task]] if task in current.assignment else int(problem.allowed[number].argmax())
        for number, task in enumerate(problem.tasks)
    ]


def _put_back(known: dict[str, Value], name: str, value: Value | None) -> None:
    known.pop(name, None)
    if value is not None:
        known[name] = value


async def run_mapper(service: Service, bus: Bus, incarnation: str, expected_nodes: int = 0) -> None:
    """Map until stopped."""
    await MapperService(bus, incarnation, expected_nodes).serve(service)
