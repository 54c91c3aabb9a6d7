"""The shell around a `GatherHead`, in a worker of the gather: besides what every reader of a queue does, it keeps the
journal and hands items to user code that says which group they belong to."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from functools import partial

from circe import travel
from circe.gather import GatherHead
from circe.groups import STATE_BYTES
from circe.journal import Journal
from circe.queue_head import queue_of
from circe.reading import RESET_PAUSE_S, Reader
from circe.sorting import Member, member
from runtime.app import App
from runtime.bus import Bus
from runtime.bus_errors import BusFault
from runtime.errors import JupiterError
from runtime.graph import Task
from runtime.loader import UserTask
from runtime.message import Delivery

logger = logging.getLogger(__name__)


class GatherReader(Reader):
    """Reads the queue of one gather."""

    head: GatherHead

    def __init__(
        self,
        bus: Bus,
        app: App,
        task: Task,
        user_task: UserTask,
        incarnation: str,
        *,
        on_unsorted: Callable[[], None],
    ) -> None:
        """`on_unsorted` is called when there are jobs to `take`."""
        assert task.gather is not None
        head = GatherHead(
            incarnation,
            partial(random.getrandbits, 64),
            task.name,
            task.gather,
            sorts=user_task.sorts,
            max_items=min(app.limits.in_flight_items, bus.link.max_payload_bytes // STATE_BYTES),
            max_bytes=app.limits.in_flight_bytes,
            group_bytes=travel.limit_bytes(bus.link.max_payload_bytes),
        )
        super().__init__(bus, app.name, head, queue_of(app.name, task.name), lambda latency_s: None)
        self._on_unsorted = on_unsorted
        self._journal = Journal(bus, app.name, task.name, incarnation)
        self._writing = asyncio.Lock()
        self._news = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None
        self._has_warned = False

    @property
    def counts(self) -> dict[str, int]:
        """Groups by what closed them, and the items that were taken."""
        return {name: count for name, count in self.head.counts.items() if name.startswith("groups.")}

    def _let_go(self, delivery: Delivery) -> None:
        super()._let_go(delivery)
        self.head.let_go(delivery.stream_sequence)

    # ---- user code

    def take(self, limit: int) -> list[Member]:
        """Items for user code to sort."""
        return [member(item, self.head.incarnation) for item in self.head.to_sort(limit)]

    def sorted(self, job: Member) -> None:
        """User code has said which group an item belongs to."""
        self.head.sort(job.root, job.key, is_last=job.is_last, now_s=time.monotonic())
        self.turn_soon()

    def dead(self, job: Member) -> None:
        """User code could not say it, and the item is a stored dead letter."""
        self.head.dead(job.root)
        self.turn_soon()

    # ---- turns

    def _turn(self) -> None:
        super()._turn()
        if self.head.unsorted:
            self._on_unsorted()
        if self.head.has_news:
            self._news.set()
        self._set_alarm()
        self._warn()

    def _warn(self) -> None:
        """Once is enough: from then on it is counted."""
        if not self._has_warned and self.head.counts["groups.bound"]:
            self._has_warned = True
            logger.warning(
                "groups of %s close before their time, for want of room: raise limits.in_flight_items or "
                "limits.in_flight_bytes, of which open groups may hold half, or gather less at a time",
                self.head.queue,
            )

    def _set_alarm(self) -> None:
        """The next turn at the latest when a group's time is over."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self.head.due_s is not None:
            wait_s = max(0.0, self.head.due_s - time.monotonic())
            self._alarm = self._loop.call_later(wait_s, self.turn_soon)

    # ---- the journal

    async def read_for_ever(self) -> None:
        both = [asyncio.create_task(each) for each in (super().read_for_ever(), self._keep_for_ever())]
        try:
            await asyncio.gather(*both)
        finally:
            for each in both:
                each.cancel()

    async def _prepare(self) -> None:
        """Take the journal over from the last head: from here on, that one cannot write any more."""
        while self.head.live:
            try:
                async with self._writing:
                    if await self._take_over():
                        self.head.recovered()
                        return
            except BusFault as error:
                if self._bus.closed.is_set():
                    raise
                logger.warning("the journal of %s is not read yet: %s", self.head.queue, error)
            await asyncio.sleep(RESET_PAUSE_S)

    async def _take_over(self) -> bool:
        state = await self._journal.read()
        reading = await self._bus.consumer_state(self._queue.stream, self._queue.consumer)
        if reading is None:
            return False
        source, floor = f"{reading.created_s:.6f}", reading.ack_floor_stream_sequence
        if await self._journal.write(self.head.recover(state, source, floor)):
            return True
        self.head.surrender()
        return False

    async def _keep_for_ever(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            async with self._writing:
                while (state := self.head.to_keep()) is not None:
                    if not await self._journal.write(state):
                        if self.head.live:
                            raise JupiterError(f"another worker has taken over the groups of {self.head.queue}: ending")
                        break  # it forms these groups itself: ours must not run, nor what they hold be acknowledged
                    self.head.kept()
                    self.turn_soon()
