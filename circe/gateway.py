"""The gateway: the head of every application's ingress (Jupiter's `home`).

It reads the ingress, sends each input to the entry tasks, and acknowledges it when all that it led to is stored.
One process serves all applications; each has its own `Head`. It may read only while the edge record names it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time

from circe import origins
from circe.burial import bury_input
from circe.flow import SendControl
from circe.head import Acknowledge, Head, Input
from circe.layout import RUN_KEY
from circe.outbox import SendFrame
from circe.pulse import BEAT_S, Pulse
from circe.purging import purge_for_ever
from circe.replay import identify
from circe.travel import header_fault, size_fault
from runtime import codec, frames, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.bus_errors import BusFault
from runtime.errors import JupiterError
from runtime.message import Delivery, Message, Record
from runtime.network import HOME
from runtime.pulling import Pull
from runtime.records import READY, Beat, EdgeRecord
from runtime.service import Service
from runtime.taking import UNREADABLE, taking

logger = logging.getLogger(__name__)

RESET_PAUSE_S = 0.5


class AppGateway:
    """The gateway of one application."""

    def __init__(self, bus: Bus, app: App, incarnation: str, node: str) -> None:
        self._bus = bus
        self._app = app
        self._incarnation = incarnation
        self._node = node
        self._loop = asyncio.get_running_loop()
        self.head = Head(
            incarnation,
            lambda: random.getrandbits(64),
            max_items=app.limits.in_flight_items,
            max_bytes=app.limits.in_flight_bytes,
        )
        self._run = ""
        self._pull: Pull | None = None
        self._named = asyncio.Event()
        self._resets: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[None]] = set()
        self._pulse = Pulse(time.monotonic())
        self._turn_planned = False
        self._prefix = subjects.ingress(app.name) + "."

    async def serve(self) -> None:
        """Until cancelled: beat, follow, and read while it is our turn. Raises when the lease was missed."""
        name = self._app.name
        self._run = await self._ingress_run()
        async with asyncio.TaskGroup() as group:
            listening = [
                await self._bus.subscribe(subjects.lineage(name, self._incarnation), self._on_report),
                await self._bus.subscribe(subjects.credit(name, self._incarnation), self._on_control),
                await self._bus.subscribe(subjects.status(name, "*", "*"), self._on_beat),
                await self._bus.subscribe(subjects.origin(name, self._incarnation), self._on_question),
            ]
            undo = self._bus.on_reconnect(self._on_reconnect)
            try:
                edges, on_edges = subjects.edges(name), taking(EdgeRecord.from_record, self._on_edges)
                async with self._bus.follow(subjects.CONTROL_STREAM, edges, on_edges):
                    group.create_task(self._read(), name=f"read {name}")
                    group.create_task(
                        purge_for_ever(self._bus, self._app, lambda: self.head.live), name=f"purge {name}"
                    )
                    await self._beat_for_ever()
            finally:
                undo()
                if self._resets is not None:
                    self._resets.cancel()
                for subscription in listening:
                    await subscription.unsubscribe()
                if self._pull is not None:
                    await self._pull.stop()

    async def _ingress_run(self) -> str:
        """The run that the ingress was created for; waits until the dispatcher has made it."""
        stream = subjects.ingress_stream(self._app.name)
        while (state := await self._bus.stream_state(stream)) is None:  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.05)
        return state.metadata[RUN_KEY]

    # ---- events

    def _on_report(self, message: Message) -> None:
        try:
            self.head.report(frames.decode_report(message.payload))
        except ValueError as error:
            self._refuse("report", error)
        self._turn_soon()

    def _on_control(self, message: Message) -> None:
        try:
            self.head.grant(frames.decode_control(message.payload))
        except ValueError as error:
            self._refuse("control", error)
        self._turn_soon()

    def _on_beat(self, message: Message) -> None:
        try:
            beat = Beat.from_record(codec.decode_record(message.payload))
        except UNREADABLE as error:
            self._refuse("beat", error)
            return
        if beat.task != HOME:
            self.head.beat(beat)
            self._turn_soon()

    def _on_question(self, message: Message) -> None:
        try:
            origins.answer(self._bus, message, self.head.origin)
        except ValueError as error:
            self._refuse("question", error)

    def _on_edges(self, record: Record, edges: EdgeRecord | None) -> None:
        if edges is None:
            return
        self.head.follow(edges)
        if self.head.live:
            self._named.set()
        self._turn_soon()

    def _on_reconnect(self) -> None:
        """Deliveries and acknowledgements under way are lost: read what is not acknowledged again."""
        self.head.reconnected()
        self._turn_soon()
        if self._pull is not None:
            if self._resets is not None:
                self._resets.cancel()
            self._resets = asyncio.create_task(self._reset(), name="reset after reconnection")

    def _refuse(self, what: str, error: Exception) -> None:
        self.head.counts["refused"] += 1
        logger.warning("refused a %s: %s", what, error)

    def _on_delivery(self, delivery: Delivery) -> None:
        sequence = delivery.stream_sequence
        try:
            item_id, headers = identify(delivery.headers, self._run, sequence)
        except ValueError as error:
            # An input all the same: whoever wrote it has our word that it is taken.
            self._refuse("replay", error)
            item_id, headers = identify({}, self._run, sequence)
        task = delivery.subject[len(self._prefix) :] or None
        item = Input(sequence, item_id, delivery.payload, headers, task, delivery.reply, time.monotonic())
        if reason := self._unfit(item):
            burying = asyncio.create_task(self._bury(item, reason), name=f"bury {item.item_id}")
            self._background.add(burying)
            burying.add_done_callback(self._background.discard)
            return
        self.head.take(item)
        self._turn_soon()

    def _unfit(self, item: Input) -> str:
        """Why an input cannot enter the graph; empty when it can."""
        if not self.head.takes(item.task):
            ingress = subjects.ingress(self._app.name)
            return f"no entry task is called {item.task}: publish to {ingress}, or to .<entry task>"
        return header_fault(item.headers) or size_fault(
            "the input", len(item.payload), self._bus.link.max_payload_bytes
        )

    async def _bury(self, item: Input, reason: str) -> None:
        """An input that nobody can take becomes a dead letter."""
        self.head.counts["dead"] += 1
        await bury_input(self._bus, self._app.name, item, reason, self._node)
        self._bus.acknowledge([item.token])

    # ---- turns

    def _turn_soon(self) -> None:
        if not self._turn_planned:
            self._turn_planned = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_planned = False
        self._carry_out(self.head.poll(time.monotonic()))
        if self._pull is not None:
            self._pull.want(self.head.room)

    def _carry_out(self, instructions: list[SendFrame | SendControl | Acknowledge]) -> None:
        app = self._app.name
        outgoing = []
        for instruction in instructions:
            match instruction:
                case SendFrame(task, incarnation, frame):
                    outgoing.append((subjects.inbox(app, task, incarnation), frames.encode_frame(frame)))
                case SendControl(incarnation, control):
                    outgoing.append((subjects.credit(app, incarnation), frames.encode_control(control)))
                case Acknowledge(_, tokens, latencies_s):
                    self._bus.acknowledge(tokens)
                    for latency_s in latencies_s:
                        self._pulse.add(latency_s)
        if outgoing and not self._bus.send_many(outgoing):
            self.head.counts["dropped.write_buffer"] += len(outgoing)

    # ---- reading and beating

    async def _read(self) -> None:
        """Begin to read once the edge record names us; what another head left comes again at once."""
        await self._named.wait()
        await self._reset()
        self._pull = await self._bus.pull(
            subjects.ingress_stream(self._app.name), subjects.INGRESS_CONSUMER, self._on_delivery
        )
        self._turn_soon()

    async def _reset(self) -> None:
        """What was delivered and not acknowledged comes again at once; left alone, it would after an hour."""
        while True:
            try:
                await self._bus.reset_consumer(subjects.ingress_stream(self._app.name), subjects.INGRESS_CONSUMER)
                return
            except BusFault as error:
                if self._bus.closed.is_set():
                    raise
                logger.warning("the ingress of %s is not read anew yet: %s", self._app.name, error)
            await asyncio.sleep(RESET_PAUSE_S)

    async def _beat_for_ever(self) -> None:
        while True:
            was_live = self.head.live
            self._beat()
            await asyncio.sleep(BEAT_S)
            if was_live and not self.head.live:
                raise JupiterError(f"another gateway has taken over {self._app.name}: ending")

    def _beat(self) -> None:
        self._carry_out([*self.head.probes()])
        stalled, rates, latencies_s = self._pulse.beat(time.monotonic(), self.head.counts)
        if stalled:
            raise JupiterError("stalled for longer than the lease: ending, because another may have taken over")
        beat = Beat(
            app=self._app.name,
            task=HOME,
            incarnation=self._incarnation,
            node=self._node,
            state=READY,
            number=self._pulse.number,
            digest=self._app.digest,
            connections=self._bus.connections,
            counts={**self.head.counts, "resent": self.head.resent},
            rates={**rates, "in_flight": self.head.in_flight, "window": self.head.window},
            latencies_s=latencies_s,
        )
        subject = subjects.status(self._app.name, HOME, self._incarnation)
        self._bus.publish(subject, codec.encode_record(beat.to_record()))


async def run_gateway(service: Service, bus: Bus, incarnation: str, node: str) -> None:
    """Serve every application there is, until stopped."""
    serving: dict[str, asyncio.Task[None]] = {}
    changed = asyncio.Event()
    apps: dict[str, App] = {}

    def on_app(record: Record, app: App | None) -> None:
        name = record.subject.rsplit(".", 1)[-1]
        apps.pop(name, None)
        if app is not None:
            apps[name] = app
        changed.set()

    async with (
        asyncio.TaskGroup() as group,
        bus.follow(subjects.CONTROL_STREAM, subjects.app("*"), taking(App.from_record, on_app)),
    ):
        group.create_task(_stop_all(service, serving, changed), name="stop")
        while not service.stopping.is_set():
            await changed.wait()
            changed.clear()
            for name in sorted(serving.keys() - apps.keys()):
                serving.pop(name).cancel()
            for name in sorted(apps.keys() - serving.keys()):
                gateway = AppGateway(bus, apps[name], incarnation, node)
                serving[name] = group.create_task(gateway.serve(), name=f"gateway of {name}")


async def _stop_all(service: Service, serving: dict[str, asyncio.Task[None]], changed: asyncio.Event) -> None:
    await service.stopping.wait()
    for task in serving.values():
        task.cancel()
    changed.set()
