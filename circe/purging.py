"""The shell around `circe.purge`: looks at an application's queues now and then, and lets read results go."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from circe.purge import Origin, Purge
from runtime import subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.bus_errors import BusFault
from runtime.message import StoredMessage
from runtime.network import HOME

logger = logging.getLogger(__name__)

LOOK_S = 5.0
CROWDED = 0.5
"""From this share of its bound on, a queue's results are looked at one by one when nothing else lets them go."""


class Store(NamedTuple):
    """A queue that results go into: the egress, or the one before a task."""

    task: str
    """`home` for the egress."""
    stream: str
    consumer: str
    subject: str
    max_bytes: int


async def purge_for_ever(bus: Bus, app: Callable[[], App], queues: Callable[[], Iterable[str] | None]) -> None:
    """Until cancelled. `app`: as it is by now; `queues`: the tasks with a queue of their own; None while it is not our
    turn."""
    purges: defaultdict[str, Purge] = defaultdict(Purge)
    while True:
        await asyncio.sleep(LOOK_S)
        tasks = queues()
        if tasks is None:
            continue
        try:
            await _look(bus, app(), tasks, purges)
        except BusFault as error:
            logger.info("results of %s are not purged yet: %s", app().name, error)


def _stores(app: App, tasks: Iterable[str]) -> list[Store]:
    name = app.name
    egress = Store(
        HOME,
        subjects.egress_stream(name),
        subjects.RESULTS_CONSUMER,
        subjects.put(name, "*", ">"),
        app.limits.egress_bytes,
    )
    inner = [
        Store(
            task,
            subjects.queue_stream(name, task),
            subjects.queue_consumer(name),
            subjects.queue(name, task),
            app.limits.queue_bytes,
        )
        for task in tasks
    ]
    return [egress, *inner]


async def _look(bus: Bus, app: App, tasks: Iterable[str], purges: defaultdict[str, Purge]) -> None:
    floors: dict[str, int] = {}
    stores = {}
    # In this order: what is read first must not belong to inputs that are counted later.
    for store in _stores(app, tasks):
        consumer = await bus.consumer_state(store.stream, store.consumer)
        if consumer is not None:
            floors[store.task], stores[store.task] = consumer.ack_floor_stream_sequence, store
    ingress = await bus.stream_state(subjects.ingress_stream(app.name))
    if ingress is None:
        return
    last_taken = {HOME: ingress.last_sequence}
    oldest_open = {HOME: ingress.first_sequence}
    for task in stores.keys() - {HOME}:
        state = await bus.stream_state(stores[task].stream)
        if state is not None:
            last_taken[task], oldest_open[task] = state.last_sequence, floors[task] + 1
    now_s = time.monotonic()
    for task, store in stores.items():
        # Nothing comes out of a queue and into it again.
        others = {queue: sequence for queue, sequence in last_taken.items() if queue == HOME or queue != task}
        up_to = purges[task].observe(now_s, floors[task], others, oldest_open)
        if up_to is not None:
            await bus.purge(store.stream, up_to_sequence=up_to)
        elif purges[task].is_behind:
            state = await bus.stream_state(store.stream)
            if state is not None and state.bytes > CROWDED * store.max_bytes:
                await _look_closely(bus, store, purges[task])


async def _look_closely(bus: Bus, store: Store, purge: Purge) -> None:
    """Result by result, until one has to stay."""
    sequence = purge.purged + 1
    while page := await bus.read_page(store.stream, store.subject, sequence):
        up_to = purge.examine(_origin(message) for message in page)
        if up_to is not None:
            await bus.purge(store.stream, up_to_sequence=up_to)
        if up_to != page[-1].sequence:
            return
        sequence = page[-1].sequence + 1


def _origin(message: StoredMessage) -> Origin:
    """The queue and the sequence of its input; of what is none of ours, one that lets it go."""
    queue, _, given = message.headers.get(subjects.QUEUE_HEADER, "").rpartition(" ")
    if not queue:
        queue, given = HOME, message.headers.get(subjects.INPUT_HEADER, "")
    return Origin(message.sequence, queue, int(given) if given.isdigit() else 0)
