"""Places tasks together with the other agents (WAVE): the shell around `agents.wave_node` and `agents.wave_home`.

Every agent answers and takes its part; home's begins, puts the mapping, and says in the mapper's name what is waited
for. Only applications that ask for it are placed so, and the mapper's process leaves those alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from agents import wave_messages
from agents.execution import ExecutionProfiler
from agents.executor import Executor
from agents.link_profiler import LinkProfiler
from agents.neighbours import Neighbours
from agents.resources import Resources, cpu_s
from agents.usage import Usage
from agents.wave_home import Home, Ready
from agents.wave_node import WaveNode
from agents.wave_placement import Send, Surroundings
from agents.wave_statistics import LocalStatistics, being_measured
from runtime import codec, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.bus_errors import PayloadSizeError, WrongLastSequence
from runtime.errors import TransportError
from runtime.mapping import TaskMapping
from runtime.message import Message
from runtime.network import HOME
from runtime.profiles import NodeProfile
from runtime.records import READY, Beat
from runtime.refusals import refuse
from runtime.taking import UNREADABLE
from runtime.wave import is_placed_by_agents

logger = logging.getLogger(__name__)

TICK_S = 0.1
"""While something is under way."""
PERIOD_S = 1.0
NOBODY_THERE = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The parts of an agent that know of its node."""

    links: LinkProfiler
    profiler: ExecutionProfiler
    executor: Executor
    resources: Resources


class Placing:
    """Feed it records, then `run` it."""

    def __init__(
        self,
        bus: Bus,
        node: str,
        incarnation: str,
        measured: Measured,
        *,
        new_id: Callable[[], str],
        expected_nodes: int = 0,
    ) -> None:
        self._bus = bus
        self._node = node
        self._incarnation = incarnation
        self._measured = measured
        self._clock = asyncio.get_running_loop().time
        self._neighbours = Neighbours(node)
        self._usage = Usage(cpu_s)
        self._apps: dict[str, App] = {}
        self._mappings: dict[str, tuple[TaskMapping | None, int]] = {}
        """With the sequence of the record, also of one that is gone."""
        around = Surroundings(node, self._statistics, lambda: self._neighbours.alive(self._clock()), new_id)
        self._wave = WaveNode(around)
        self._home = Home(self._wave, around, expected_nodes) if node == HOME else None
        self._said: dict[str, tuple[str, float]] = {}
        self._beats = 0
        self._changed = asyncio.Event()

    async def answer(self) -> None:
        """Listen to the others; before this node is announced."""
        await self._bus.subscribe(subjects.wave(self._node, None), self._hear)

    # ---- what is known

    def heard_node(self, profile: NodeProfile) -> None:
        """A node's sign of life, or its leave."""
        self._neighbours.heard(profile, self._clock())

    def heard_app(self, name: str, app: App | None) -> None:
        """An application that should run; None when it is no more."""
        self._apps.pop(name, None)
        if app is not None:
            self._apps[name] = app
        self._changed.set()

    def heard_mapping(self, name: str, mapping: TaskMapping | None, sequence: int) -> None:
        """Where an application runs now, by the record of that sequence; None for nowhere."""
        self._mappings[name] = mapping, sequence
        self._changed.set()

    def _statistics(self, name: str, digest: str) -> LocalStatistics | None:
        app = self._apps.get(name)
        if app is None or app.digest != digest:
            return None
        now_s, measured = self._clock(), self._measured
        found, row = measured.profiler.found(app), measured.links.row().links
        return LocalStatistics(
            node=self._node,
            app=app,
            executions=found.profiles,
            failures=found.failures,
            is_profiled=found.is_complete,
            row=row,
            unmeasured=being_measured(row, lambda since_s: self._neighbours.joined_since(since_s, now_s), now_s),
            cores=measured.resources.cores,
            speed_score=measured.resources.speed_score,
            memory_ratio=measured.resources.memory_ratio,
            used_cores=self._usage.by_others(name),
        )

    # ---- what is done

    async def run(self) -> None:
        """Take part until cancelled."""
        sampled_s = -PERIOD_S
        while True:
            now_s = self._clock()
            if now_s - sampled_s >= PERIOD_S:
                sampled_s = now_s
                self._usage.sample(self._measured.executor.processes(), now_s)
            self._send(self._wave.tick(now_s))
            self._changed.clear()
            if self._home is not None:
                await self._attend(self._home)
            try:
                async with asyncio.timeout(TICK_S if self._wave.is_busy else PERIOD_S):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _attend(self, home: Home) -> None:
        apps = {name: app for name, app in sorted(self._apps.items()) if is_placed_by_agents(app)}
        for name, app in apps.items():
            mapping, sequence = self._mappings.get(name, (None, 0))
            sends, ready = home.attend(app, mapping, sequence, self._clock())
            self._send(sends)
            if ready is not None:
                await self._put(name, ready)
            self._say(app, home.said.get(name, ""))
        for name in sorted(home.apps() - apps.keys()):
            home.forget(name)

    async def _put(self, name: str, ready: Ready) -> None:
        payload = codec.encode_record(ready.mapping.to_record())
        try:
            sequence = await self._bus.put_record(
                subjects.mapping(name), payload, expected_last_sequence=ready.in_place_of
            )
        except WrongLastSequence:
            logger.info("%s: somebody else was first to map it", name)
            await self._look(name)
        except TransportError as error:
            logger.warning("%s: placed, but the mapping is not published: %s", name, error)
        else:
            self._mappings[name] = ready.mapping, sequence
            logger.info("%s: placed by the agents: %s", name, dict(ready.mapping.assignment))

    async def _look(self, name: str) -> None:
        """A mapping that went before we listened is heard of by nobody, but has a sequence; others will be heard of."""
        with contextlib.suppress(TransportError):
            found = await self._bus.leader_last_message(subjects.CONTROL_STREAM, subjects.mapping(name))
            if found is None or not found.payload:
                self._mappings[name] = None, 0 if found is None else found.sequence

    def _say(self, app: App, message: str) -> None:
        """A beat in the mapper's name: whoever waits for a mapping looks there."""
        before, said_s = self._said.get(app.name, ("", -PERIOD_S))
        if message == before and self._clock() - said_s < PERIOD_S:
            return
        if message != before:
            logger.info("%s: %s", app.name, message or "placed")
        self._said[app.name] = message, self._clock()
        self._beats += 1
        beat = Beat(
            app=app.name,
            task="mapper",
            incarnation=self._incarnation,
            node=HOME,
            state="waiting" if message else READY,
            number=self._beats,
            digest=app.digest,
            message=message,
        )
        subject = subjects.status(app.name, "mapper", self._incarnation)
        self._bus.publish(subject, codec.encode_record(beat.to_record()))

    # ---- messages

    def _hear(self, message: Message) -> None:
        sender = subjects.node_name(message.subject.rpartition(".")[2])
        if message.status:
            if message.status == NOBODY_THERE:
                self._send(self._wave.absent(sender, self._clock()))
        else:
            try:
                self._send(self._wave.heard(sender, wave_messages.decode(message.payload), self._clock()))
            except UNREADABLE as error:
                refuse(f"what {sender} said", error)
        self._changed.set()

    def _send(self, sends: Iterable[Send]) -> None:
        """With where answers go as the reply subject: there the server says that nobody heard it."""
        for to, message in sends:
            reply = subjects.wave(self._node, to)
            try:
                self._bus.send(subjects.wave(to, self._node), wave_messages.encode(message), reply)
            except PayloadSizeError as error:
                logger.warning("%s does not hear what it should: %s", to, error)
