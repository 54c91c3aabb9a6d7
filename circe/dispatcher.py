"""The dispatcher: from applications and mappings to streams, desired workers and the edge record.

It holds nothing that it cannot read again: applications, mappings, edge records and beats are records on the
bus, and `circe.reconcile` decides from them alone. While it is away, data keeps flowing.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Coroutine

from circe.draining import are_empty, drop_queues
from circe.layout import RUN_KEY, app_streams, system_streams
from circe.pulse import LEASE_S
from circe.reconcile import decide, is_ready_to_drain, leaving_queues
from circe.words import Words
from runtime import codec, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.bus_errors import BusClosed
from runtime.errors import TransportError
from runtime.hearing import Hearing
from runtime.jetstream import bucket_stream
from runtime.mapping import TaskMapping
from runtime.message import Record
from runtime.network import HOME
from runtime.records import GONE, Beat, DesiredWorker, EdgeRecord
from runtime.refusals import refuse
from runtime.service import Service
from runtime.taking import taking

logger = logging.getLogger(__name__)

PERIOD_S = 0.5
"""The longest time between two decisions; every change brings one at once."""
PAUSE_S = LEASE_S / 2
"""When no beat at all is heard for this long it is we who are cut off."""


class Dispatcher:
    """What is known, and the loop that acts on it."""

    def __init__(self, bus: Bus, incarnation: str) -> None:
        self._bus = bus
        self._words = Words(bus, incarnation)
        self._loop = asyncio.get_running_loop()
        self._apps: dict[str, App] = {}
        self._mappings: dict[str, tuple[TaskMapping, int]] = {}
        self._edges: dict[str, EdgeRecord] = {}
        self._desired: dict[str, DesiredWorker] = {}
        self._alive: dict[str, Beat] = {}
        self._gone: set[str] = set()
        self._hearing = Hearing(lease_s=LEASE_S, pause_s=PAUSE_S)
        self._listened_s = 0.0
        self._prepared: dict[str, str] = {}
        self._runs: dict[str, str] = {}
        """Of the ingresses that are there."""
        self._tidied: dict[str, str] = {}
        self._unreadable: set[str] = set()
        """Applications whose record is there and cannot be read."""
        self._spoiled: set[str] = set()
        """Subjects of our own records that hold what we did not write."""
        self._changed = asyncio.Event()

    async def serve(self, service: Service) -> None:
        """Follow everything, decide on every change, until stopped."""
        for spec in system_streams():
            await self._bus.ensure_stream(spec)
        control, status = subjects.CONTROL_STREAM, subjects.STATUS_STREAM
        follow = self._bus.follow
        on_mapping = taking(TaskMapping.from_record, self._on_mapping, self._on_unreadable_mapping)
        on_app = taking(App.from_record, self._on_app, self._on_unreadable_app)
        on_edges = taking(EdgeRecord.from_record, self._on_edges, self._on_spoiled)
        on_desired = taking(DesiredWorker.from_record, self._on_desired, self._on_spoiled)
        async with (
            follow(control, subjects.app("*"), on_app) as apps,
            follow(control, subjects.mapping("*"), on_mapping) as mappings,
            follow(control, subjects.edges("*"), on_edges) as edges,
            follow(control, subjects.worker(None, "*", "*"), on_desired) as desired,
            follow(status, subjects.status("*", "*", "*"), taking(Beat.from_record, self._on_beat)) as beats,
        ):
            for handle in (apps, mappings, edges, desired, beats):
                await handle.caught_up
            self._listened_s = self._loop.time() + LEASE_S
            while not service.stopping.is_set():
                await self._reconcile()
                await service.pause(self._changed, PERIOD_S)

    # ---- what is known

    def _on_app(self, record: Record, app: App | None) -> None:
        name = _last_token(record.subject)
        if app is not None and app.name != name:
            refuse(f"the record {record.subject}", f"it is of {app.name}")
            self._unreadable.add(name)
            return
        self._apps.pop(name, None)
        self._unreadable.discard(name)
        if app is not None:
            self._apps[name] = app
        self._changed.set()

    def _on_unreadable_app(self, record: Record, error: Exception) -> None:
        """Whoever wrote that has not deleted the application: what there is of it stays."""
        self._unreadable.add(_last_token(record.subject))

    def _on_spoiled(self, record: Record, error: Exception) -> None:
        """Somebody wrote over a record of ours: it is written again."""
        self._desired.pop(record.subject, None)
        self._spoiled.add(record.subject)
        self._changed.set()

    def _on_mapping(self, record: Record, mapping: TaskMapping | None) -> None:
        name = _last_token(record.subject)
        self._mappings.pop(name, None)
        self._words.accept(name)
        if mapping is not None:
            self._mappings[name] = (mapping, record.sequence)
        self._changed.set()

    def _on_unreadable_mapping(self, record: Record, error: Exception) -> None:
        """The one before stays in force, for as long as we remember it."""
        name = _last_token(record.subject)
        todo = f'put one such as {{"task": "node1"}}, or have the mapper decide with `jupiter remap {name}`'
        self._words.refuse(name, f"the mapping that was put there is refused, {error}: {todo}")
        self._changed.set()

    def _on_edges(self, record: Record, edges: EdgeRecord | None) -> None:
        name = _last_token(record.subject)
        if edges is None:
            self._edges.pop(name, None)
        elif edges.app != name:
            self._on_spoiled(record, ValueError(f"it is of {edges.app}"))
        elif name not in self._edges or edges.revision > self._edges[name].revision:
            self._edges[name] = edges

    def _on_desired(self, record: Record, worker: DesiredWorker | None) -> None:
        self._desired.pop(record.subject, None)
        if worker is not None:
            self._desired[record.subject] = worker

    def _on_beat(self, record: Record, beat: Beat | None) -> None:
        # By subject: a gateway has one incarnation and a beat for each application.
        sign = record.subject
        if beat is None or beat.task == subjects.DISPATCHER:
            return
        before = self._alive.get(sign)
        if beat.state == GONE:
            self._alive.pop(sign, None)
            self._hearing.forget(sign)
            self._gone.add(sign)
        else:
            self._alive[sign] = beat
            self._hearing.hear(sign, self._loop.time())
        if before is None or before.state != beat.state:
            self._changed.set()

    # ---- what is done

    async def _reconcile(self) -> None:
        now_s = self._loop.time()
        # A beat is withdrawn, not forgotten: the state of the last one decides, its age whether it counts.
        for name in self._hearing.silent(now_s):
            self._hearing.forget(name)
            self._alive.pop(name, None)
        if now_s > self._listened_s:
            self._gone.clear()
        for name, app in sorted(self._apps.items()):
            await self._try(name, self._serve(app))
            self._words.beat(app, now_s)
        for name in sorted(self._known() - self._apps.keys() - self._unreadable):
            await self._try(name, self._remove(name))

    async def _try(self, name: str, work: Coroutine[None, None, None]) -> None:
        """One application's trouble with the bus is not that of the others; what failed is done at the next look."""
        try:
            await work
        except BusClosed:
            raise
        except TransportError as error:
            self._words.say(name, f"the bus fails, trying again: {error}", logging.WARNING)
        except Exception:
            logger.exception("%s cannot be served; trying again", name)
            self._words.say(name, "it cannot be served: the dispatcher's log tells why", logging.ERROR)

    async def _serve(self, app: App) -> None:
        await self._prepare(app)
        if not self._unheard(app.name):
            await self._apply(app)

    def _unheard(self, name: str) -> set[str]:
        """Who is listed and may live: a dispatcher that has just started gives them the time to be heard."""
        edges = self._edges.get(name)
        if edges is None or self._loop.time() > self._listened_s:
            return set()
        listed = {(task, each) for task, names in edges.workers.items() for each in names}
        listed |= set(edges.heads.items())
        return {subjects.status(name, task, each) for task, each in listed} - self._alive.keys() - self._gone

    def _known(self) -> set[str]:
        """Applications that have left something on the bus."""
        desired = {worker.app for worker in self._desired.values()}
        return desired | self._edges.keys() | self._mappings.keys() | self._prepared.keys()

    async def _prepare(self, app: App) -> None:
        """The application's streams, before anybody needs them."""
        if self._prepared.get(app.name) != app.digest:
            ingress, *others = app_streams(app, secrets.token_hex(3))
            self._runs[app.name] = (await self._bus.ensure_stream(ingress)).metadata[RUN_KEY]
            for spec in others:
                await self._bus.ensure_stream(spec)
            self._prepared[app.name] = app.digest

    async def _apply(self, app: App) -> None:
        mapping, epoch = self._mappings.get(app.name, (None, 0))
        alive = list(self._alive.values())  # before we look at the queues: what they say has ended is in one of them
        is_drained = await self._is_drained(app, alive)
        run, edges_now = self._runs[app.name], self._edges.get(app.name)
        decision = decide(app, mapping, epoch, alive, edges_now, run=run, is_drained=is_drained)
        self._words.say(app.name, decision.message)
        if decision.workers is not None:
            await self._want(app.name, decision.workers)
        edges = decision.edges
        current = self._edges.get(app.name)
        subject = subjects.edges(app.name)
        if current is None or edges.revision > current.revision or subject in self._spoiled:
            await self._bus.put_record(subject, codec.encode_record(edges.to_record()))
            self._edges[app.name] = edges
            self._spoiled.discard(subject)
            logger.info("edges of %s, revision %d: %s", app.name, edges.revision, dict(edges.workers))
        if self._edges[app.name].digest == app.digest and self._tidied.get(app.name) != app.digest:
            await drop_queues(self._bus, app)
            self._tidied[app.name] = app.digest

    async def _is_drained(self, app: App, alive: list[Beat]) -> bool:
        """Whether nothing is in the inner queues, when some of them are to go."""
        edges = self._edges.get(app.name)
        if edges is None or not leaving_queues(app, edges) or not is_ready_to_drain(app.name, alive, edges):
            return False
        return await are_empty(self._bus, app.name, sorted(edges.segments.keys() - {HOME}))

    async def _want(self, name: str, workers: tuple[DesiredWorker, ...]) -> None:
        wanted = {subjects.worker(each.node, each.app, each.task): each for each in workers}
        for subject in sorted(wanted):
            if self._desired.get(subject) != wanted[subject]:
                await self._bus.put_record(subject, codec.encode_record(wanted[subject].to_record()))
                self._desired[subject] = wanted[subject]
        gone = [key for key, each in self._desired.items() if each.app == name and key not in wanted]
        for subject in sorted(gone):
            await self._bus.delete_record(subjects.CONTROL_STREAM, subject)
            self._desired.pop(subject, None)

    async def _remove(self, name: str) -> None:
        """The application is gone: nothing of it stays."""
        if await self._is_there(name):
            return  # its record comes by another way than those that name it, and they were faster
        self._prepared[name] = ""  # also when it is there again before all of this is done
        await self._want(name, ())
        await self._bus.delete_record(subjects.CONTROL_STREAM, subjects.edges(name))
        await self._bus.purge(subjects.PROFILE_STREAM, subjects.execution_profile(name, "*", None))
        await self._bus.purge(subjects.STATUS_STREAM, subjects.status(name, "*", "*"))
        for stream in await self._bus.stream_names(subjects.everything(name)):
            await self._bus.delete_stream(stream)
        await self._bus.delete_stream(bucket_stream(subjects.objects(name)))
        # Last, and we forget it only then: by this record the rest is found again when something fails before.
        await self._bus.delete_record(subjects.CONTROL_STREAM, subjects.mapping(name))
        for known in (self._edges, self._mappings, self._prepared, self._runs, self._tidied):
            known.pop(name, None)
        self._words.forget(name)
        logger.info("removed %s", name)

    async def _is_there(self, name: str) -> bool:
        """Whether the application has a record, by who has to know."""
        found = await self._bus.leader_last_message(subjects.CONTROL_STREAM, subjects.app(name))
        return found is not None and bool(found.payload)


def _last_token(subject: str) -> str:
    return subject.rsplit(".", 1)[-1]


async def run_dispatcher(service: Service, bus: Bus, incarnation: str) -> None:
    """Dispatch until stopped."""
    await Dispatcher(bus, incarnation).serve(service)
