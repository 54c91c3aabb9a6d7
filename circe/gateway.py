"""The gateway: the head of every application's ingress (Jupiter's `home`).

It gives each input its id, refuses what cannot enter, and purges what has been read. One process serves all
applications; each has its own `Head`, which reads only while the edge record names it (`circe.reading`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypedDict

from circe.admission import SHARE
from circe.burial import Burial
from circe.entering import referred, travels
from circe.fencing import Fencing
from circe.head import Head, Input
from circe.pulse import BEAT_S, Pulse
from circe.purging import purge_for_ever
from circe.reading import NAK, Queue, Reader
from circe.replay import identify
from circe.sweeping import sweep_for_ever
from circe.travel import header_fault
from runtime import codec, frames, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.message import Delivery, Message, Record
from runtime.network import HOME
from runtime.object_files import ObjectError
from runtime.records import READY, Beat, EdgeRecord
from runtime.reference import OBJECT_HEADER
from runtime.refusals import refuse, refused
from runtime.service import Service
from runtime.taking import taking

logger = logging.getLogger(__name__)


class _Bounds(TypedDict):
    max_items: int
    max_bytes: int
    max_object_bytes: int


def _bounds(app: App) -> _Bounds:
    """Of what may be in flight."""
    return {
        "max_items": app.limits.in_flight_items,
        "max_bytes": app.limits.in_flight_bytes,
        "max_object_bytes": int(SHARE * app.limits.objects_bytes),
    }


class AppGateway:
    """The gateway of one application."""

    def __init__(self, bus: Bus, app: App, incarnation: str, node: str) -> None:
        self._bus = bus
        self._app = app
        self._node = node
        self._run: str | None = None
        """Of the ingress that we read; not known before the first edge record."""
        self._is_over = asyncio.Event()
        """The application was deleted and is there again: what we hold is of queues that are gone."""
        self._queues: tuple[str, ...] = ()
        self._burial = Burial(bus)
        self._background: set[asyncio.Task[None]] = set()
        self._entering: dict[int, str] = {}
        """Inputs with objects that the head does not have yet, and what acknowledges them."""
        self._pulse = Pulse(time.monotonic())
        self._prefix = subjects.ingress(app.name) + "."
        self.head = Head(
            incarnation,
            partial(random.getrandbits, 64),
            **_bounds(app),
        )
        ingress = Queue(subjects.ingress_stream(app.name), subjects.INGRESS_CONSUMER, self._read)
        self.reader = Reader(bus, app.name, self.head, ingress, self._pulse.add)

    def edit(self, app: App) -> None:
        """The application was submitted again. The head stays who it is: its attempts go on."""
        self._app = app
        self.head.bound(**_bounds(app))
        self.reader.turn_soon()

    async def serve(self) -> None:
        """Until cancelled, or until the ingress is another: beat, follow, and read while it is our turn."""
        name = self._app.name
        async with (
            self.reader.listening(),
            asyncio.TaskGroup() as group,
            self._bus.follow(
                subjects.CONTROL_STREAM, subjects.edges(name), taking(EdgeRecord.from_record, self._on_edges)
            ),
        ):
            credit = await self._bus.subscribe(subjects.credit(name, self.head.incarnation), self._on_control)
            try:
                purging = purge_for_ever(self._bus, lambda: self._app, self._queues_to_purge)
                tasks = [
                    group.create_task(self.reader.read_for_ever(), name=f"read {name}"),
                    group.create_task(purging, name=f"purge {name}"),
                    group.create_task(sweep_for_ever(self._bus, name, self.head), name=f"sweep {name}"),
                ]
                await self._beat_until_over()
                for task in tasks:
                    task.cancel()
            finally:
                for each in self._background:
                    each.cancel()
                await credit.unsubscribe()

    # ---- events

    def _on_control(self, message: Message) -> None:
        try:
            self.head.grant(frames.decode_control(message.payload))
        except ValueError as error:
            refuse("a control message", error)
        self.reader.turn_soon()

    def _on_edges(self, record: Record, edges: EdgeRecord | None) -> None:
        if edges is None or self._is_over.is_set():
            return
        if self._run is None:
            self._run = edges.run
        if edges.run != self._run:
            # What is held must not pass for what has the same sequence in the new ingress.
            self._is_over.set()
            edges = EdgeRecord(app=edges.app, revision=0)
        self._queues = tuple(sorted(edges.segments.keys() - {HOME}))
        self.reader.follow(edges)

    def _queues_to_purge(self) -> tuple[str, ...] | None:
        return self._queues if self.head.live else None

    def _read(self, delivery: Delivery) -> Input | None:
        if self._run is None or self._is_over.is_set():
            return None  # under way since we were named: it comes again to who is named now
        sequence = delivery.stream_sequence
        try:
            item_id, headers = identify(delivery.headers, self._run, sequence)
        except ValueError as error:
            # An input all the same: whoever wrote it has our word that it is taken.
            refuse("a replay", error)
            item_id, headers = identify({}, self._run, sequence)
        task = delivery.subject[len(self._prefix) :] or None
        item = Input(sequence, item_id, delivery.payload, headers, task, delivery.reply, time.monotonic())
        if self._is_early(item.task):
            return None  # all that is not acknowledged is read again when the edge record names its task
        if reason := self._unfit(item):
            self._later(self._bury(item, reason), f"bury {item.item_id}")
            return None
        name = delivery.headers.get(OBJECT_HEADER)
        if name is None and travels(item, self._bus.link.max_payload_bytes):
            return item
        is_under_way = sequence in self._entering
        self._entering[sequence] = item.token
        if not is_under_way:
            self._later(self._enter(item, name), f"enter {item.item_id}")
        return None

    async def _enter(self, item: Input, name: str | None) -> None:
        """Its payload is in the object store, or goes there first."""
        try:
            entered = await referred(self._bus, self._app.name, item, name)
        except ObjectError as error:
            await self._bury(item, str(error))
        else:
            token = self._entering[item.sequence]
            if self.head.live and self.head.takes(item.task):
                self.head.take(entered._replace(token=token))
                self.reader.turn_soon()
            else:  # it is the next head's, or for a task that is no more
                self._bus.send_many([(token, NAK)])
        finally:
            del self._entering[item.sequence]

    def _later(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._background.add(task)
        task.add_done_callback(self._over)
        self.reader.aside = len(self._background)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        self.reader.aside = len(self._background)
        self.reader.turn_soon()

    def _is_early(self, task: str | None) -> bool:
        """Whether an input is for a task that the application has, but not yet in the version in force."""
        return task is not None and not self.head.takes(task) and task in (*self._app.graph.entries, *self._app.fed)

    def _unfit(self, item: Input) -> str:
        """Why an input cannot enter the graph; empty when it can."""
        if not self.head.takes(item.task):
            ingress = subjects.ingress(self._app.name)
            return f"no entry task is called {item.task}: publish to {ingress}, or to .<entry task>"
        return header_fault(item.headers)

    async def _bury(self, item: Input, reason: str) -> None:
        """An input that nobody can take becomes a dead letter."""
        self.head.counts["dead"] += 1
        await self._burial.bury_input(self._app.name, item, reason, self._node)
        self._bus.acknowledge([item.token])

    # ---- beating

    async def _beat_until_over(self) -> None:
        while not self._is_over.is_set():
            self._beat()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await self._is_over.wait()

    def _beat(self) -> None:
        self.reader.beat()
        rates, latencies_s = self._pulse.beat(time.monotonic(), self.head.counts)
        beat = Beat(
            app=self._app.name,
            task=HOME,
            incarnation=self.head.incarnation,
            node=self._node,
            state=READY,
            number=self._pulse.number,
            digest=self._app.digest,
            connections=self._bus.connections,
            counts={**self.head.counts, "resent": self.head.resent, "refused": refused()},
            rates={
                **rates,
                "in_flight": self.head.in_flight,
                "window": self.head.window,
                "is_head": float(self.head.live),
                "letters_waiting": self._burial.waiting,
            },
            latencies_s=latencies_s,
        )
        subject = subjects.status(self._app.name, HOME, self.head.incarnation)
        self._bus.publish(subject, codec.encode_record(beat.to_record()))


async def run_gateway(service: Service, bus: Bus, incarnation: str, node: str) -> None:
    """Serve every application there is, until stopped. Raises JupiterError when it was away for too long."""
    serving: dict[str, asyncio.Task[None]] = {}
    gateways: dict[str, AppGateway] = {}
    changed = asyncio.Event()
    apps: dict[str, App] = {}

    def on_app(record: Record, app: App | None) -> None:
        name = record.subject.rsplit(".", 1)[-1]
        if app is not None and app.name != name:
            refuse(f"the record {record.subject}", f"it is of {app.name}")
            return
        apps.pop(name, None)
        if app is not None:
            apps[name] = app
        changed.set()

    async def serve(name: str, app: App) -> None:
        while True:
            gateways[name] = AppGateway(bus, apps.get(name, app), incarnation, node)
            await gateways[name].serve()
            logger.warning("%s was deleted and submitted again while we did not hear of it: reading anew", name)

    async with (
        asyncio.TaskGroup() as group,
        bus.follow(subjects.CONTROL_STREAM, subjects.app("*"), taking(App.from_record, on_app)),
    ):
        group.create_task(_stop_all(service, serving, changed), name="stop")
        fence = group.create_task(_keep_fence(Fencing(bus)), name="fence")
        while not service.stopping.is_set():
            await changed.wait()
            changed.clear()
            for name in sorted(serving.keys() - apps.keys()):
                serving.pop(name).cancel()
                gateways.pop(name, None)
            for name in sorted(apps):
                if name in gateways:
                    gateways[name].edit(apps[name])
                elif name not in serving:
                    serving[name] = group.create_task(serve(name, apps[name]), name=f"gateway of {name}")
        fence.cancel()


async def _keep_fence(fencing: Fencing) -> None:
    while True:
        fencing.beat()
        await asyncio.sleep(BEAT_S)


async def _stop_all(service: Service, serving: dict[str, asyncio.Task[None]], changed: asyncio.Event) -> None:
    await service.stopping.wait()
    for task in serving.values():
        task.cancel()
    changed.set()
