"""Up to which input everything has ended, by way of the inner queues between the ingress and the results.

An input leaves the ingress when what it led to is stored, in an inner queue perhaps. So a moment is followed from queue
to queue: what a queue held when all inputs up to one had left the queue above has been acknowledged some time later.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtime import subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.streams import StreamState


class Passage:
    """One inner queue."""

    def __init__(self) -> None:
        self._passed = 0
        self._mark: tuple[int, int] | None = None

    def look(self, bound: int, last: int, floor: int) -> int:
        """All inputs below the answer have left this queue too.

        `bound`: all inputs below have left the queues above, and `last` was the last item here after that. `floor`: all
        items up to here have ended.
        """
        for mark in (self._mark, (bound, last)):
            if mark is not None and floor >= mark[1]:
                self._passed, self._mark = mark[0], None
            elif self._mark is None:
                self._mark = mark
        return self._passed


@dataclass(frozen=True, slots=True)
class Ended:
    """The queues at one moment."""

    first_sequence: int
    """All inputs below have ended."""
    last_sequence: int
    unfinished: int
    """Inputs that have not ended, as far as is known."""
    queued: int
    """Items in inner queues that have not ended."""


class Ending:
    """Look at it from time to time: where there are inner queues, one look builds on those before."""

    def __init__(self, bus: Bus, app: App) -> None:
        self._bus = bus
        self._app = app
        self._passages = {task: Passage() for task in app.graph.order if task in app.graph.queues}

    async def look(self) -> Ended | None:
        """None when there is no ingress. Raises BusFault."""
        name = self._app.name
        ingress = await self._bus.stream_state(subjects.ingress_stream(name))
        if ingress is None:
            return None
        bound, queued = ingress.first_sequence, 0
        # In this order: what has left one queue is in the next.
        for task, passage in self._passages.items():
            stream = subjects.queue_stream(name, task)
            state = await self._bus.stream_state(stream)
            floor, items = await self._open(stream)
            bound = passage.look(bound, _last(state), floor)
            queued += items
        unfinished = ingress.messages + max(0, ingress.first_sequence - bound)
        return Ended(bound, ingress.last_sequence, unfinished, queued)

    async def _open(self, stream: str) -> tuple[int, int]:
        """Of an inner queue: up to where everything has ended, and how many items have not."""
        consumer = await self._bus.consumer_state(stream, subjects.queue_consumer(self._app.name))
        if consumer is None:
            return 0, 0
        return consumer.ack_floor_stream_sequence, consumer.num_pending + consumer.num_ack_pending


def _last(state: StreamState | None) -> int:
    return 0 if state is None else state.last_sequence
