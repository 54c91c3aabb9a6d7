"""The shell around a `Head`: reads its queue while the edge record names it, and carries out what it says.

Whoever runs it (the gateway for the ingress, a worker for the queue of its task) beats, follows the edge record, and
hands over credit. A head that is named no more gives back what it holds, so that the next one has it at once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from circe import origins
from circe.head import Acknowledge, Head, Input
from circe.outbox import SendControl, SendFrame
from runtime import codec, frames, subjects
from runtime.bus import Bus
from runtime.bus_errors import BusFault
from runtime.message import Delivery, Message
from runtime.pulling import Pull
from runtime.records import Beat, EdgeRecord
from runtime.refusals import refuse
from runtime.taking import UNREADABLE

logger = logging.getLogger(__name__)

RESET_PAUSE_S = 0.5
NAK = b"-NAK"


class Queue(NamedTuple):
    """What a head reads, and how a delivery becomes an input; None is one that the reading side deals with itself, and
    ValueError says that it is none at all."""

    stream: str
    consumer: str
    read: Callable[[Delivery], Input | None]


class Reader:
    """One head and its queue."""

    def __init__(
        self, bus: Bus, app: str, head: Head, queue: Queue, on_ended: Callable[[Sequence[float]], None]
    ) -> None:
        """`on_ended` gets the seconds that inputs took, each from its reading to its end."""
        self.head = head
        self.aside = 0
        """Inputs that were read and are not the head's, or not yet: they take room as well."""
        self._bus = bus
        self._app = app
        self._queue = queue
        self._on_ended = on_ended
        self._loop = asyncio.get_running_loop()
        self._pull: Pull | None = None
        self._followed = asyncio.Event()
        self._is_leaving = False
        self._resets: asyncio.Task[None] | None = None
        self._turn_planned = False

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Hear reports, beats and questions; at the end what is held is given back."""
        name, own = self._app, self.head.incarnation
        heard = [
            await self._bus.subscribe(subjects.lineage(name, own), self._on_report),
            await self._bus.subscribe(subjects.status(name, "*", "*"), self._on_beat),
            await self._bus.subscribe(subjects.origin(name, own), self._on_question),
        ]
        undo = self._bus.on_reconnect(self._on_reconnect)
        try:
            yield
        finally:
            undo()
            if self._resets is not None:
                self._resets.cancel()
            for subscription in heard:
                await subscription.unsubscribe()
            await self._give_back()

    # ---- events

    def _on_report(self, message: Message) -> None:
        try:
            self.head.report(frames.decode_report(message.payload))
        except ValueError as error:
            refuse("a report", error)
        self.turn_soon()

    def _on_beat(self, message: Message) -> None:
        try:
            beat = Beat.from_record(codec.decode_record(message.payload))
        except UNREADABLE as error:
            refuse("a beat", error)
            return
        if not beat.is_head:
            self.head.beat(beat)
            self.turn_soon()

    def _on_question(self, message: Message) -> None:
        try:
            origins.answer(self._bus, message, self.head)
        except ValueError as error:
            refuse("a question", error)

    def follow(self, edges: EdgeRecord) -> None:
        """A newer edge record."""
        if self.head.follow(edges):
            self._read_again()
        self._followed.set()
        self.turn_soon()

    def leave(self) -> None:
        """Read nothing more; what is in flight may end."""
        self._is_leaving = True
        self._followed.set()

    def _on_reconnect(self) -> None:
        """Deliveries and acknowledgements under way are lost: read what is not acknowledged again."""
        self.head.reconnected()
        self.turn_soon()
        self._read_again()

    def _read_again(self) -> None:
        """All that is not acknowledged; who begins to read does so anyway."""
        if self._pull is not None:
            if self._resets is not None:
                self._resets.cancel()
            self._resets = asyncio.create_task(self._reset(), name=f"read {self._queue.stream} again")

    def _on_delivery(self, delivery: Delivery) -> None:
        try:
            item = self._queue.read(delivery)
        except ValueError as error:
            refuse(f"a message of {self._queue.stream}", error)
            self._let_go(delivery)
            return
        if item is not None:
            self.head.take(item)
            self.turn_soon()

    def _let_go(self, delivery: Delivery) -> None:
        """Left alone it would come for ever."""
        self._bus.acknowledge([delivery.reply])

    # ---- turns

    def turn_soon(self) -> None:
        """One turn for all that comes in one go."""
        if not self._turn_planned:
            self._turn_planned = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_planned = False
        self._carry_out(self.head.poll(time.monotonic()))
        if self._pull is not None:
            self._pull.want(max(0, self.head.room - self.aside))

    def beat(self) -> None:
        """With each beat of the process: ask blocked receivers for their credit."""
        self._carry_out(self.head.probes())

    def _carry_out(self, instructions: Sequence[SendFrame | SendControl | Acknowledge]) -> None:
        outgoing = []
        for instruction in instructions:
            match instruction:
                case SendFrame(task, incarnation, frame):
                    outgoing.append((subjects.inbox(self._app, task, incarnation), frames.encode_frame(frame)))
                case SendControl(incarnation, control):
                    outgoing.append((subjects.credit(self._app, incarnation), frames.encode_control(control)))
                case Acknowledge(_, tokens, latencies_s):
                    self._bus.acknowledge(tokens)
                    self._on_ended(latencies_s)
        if outgoing and not self._bus.send_many(outgoing):
            self.head.counts["dropped.write_buffer"] += len(outgoing)

    # ---- reading

    async def read_for_ever(self) -> None:
        """Until cancelled: read while the edge record names us; what another head left comes again at once."""
        while True:
            await self._until(may_read=True)
            await self._prepare()
            await self._reset(is_new=True)
            self._pull = await self._bus.pull(self._queue.stream, self._queue.consumer, self._on_delivery)
            self.turn_soon()
            await self._until(may_read=False)
            await self._stop_reading()
            while self._is_leaving and self.head.live:  # what is in flight may end until another is named
                await self._next_record()
            await self._give_back()

    async def _prepare(self) -> None:
        """What has to be done before the first delivery."""

    async def _until(self, *, may_read: bool) -> None:
        while (self.head.live and not self._is_leaving) != may_read:
            await self._next_record()

    async def _next_record(self) -> None:
        self._followed.clear()
        await self._followed.wait()

    async def _stop_reading(self) -> None:
        if self._pull is not None:
            pull, self._pull = self._pull, None
            await pull.stop()

    async def _give_back(self) -> None:
        """First nothing more is asked for: otherwise it would come to us again."""
        await self._stop_reading()
        tokens = self.head.surrender()
        if tokens:
            self._bus.send_many([(token, NAK) for token in tokens])

    async def _reset(self, *, is_new: bool = False) -> None:
        """What was delivered and not acknowledged comes again at once; left alone, it would after a long time.

        `is_new`: to a head that begins; what comes may have been in work at another.
        """
        while True:
            try:
                state = await self._bus.consumer_state(self._queue.stream, self._queue.consumer) if is_new else None
                if state is not None and state.delivered_stream_sequence:
                    self.head.begin()
                await self._bus.reset_consumer(self._queue.stream, self._queue.consumer)
                return
            except BusFault as error:
                if self._bus.closed.is_set():
                    raise
                logger.warning("%s is not read anew yet: %s", self._queue.stream, error)
            await asyncio.sleep(RESET_PAUSE_S)
