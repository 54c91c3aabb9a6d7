"""The shell around `circe.purge`: looks at an application's queues now and then, and lets read results go."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from circe.purge import Purge
from runtime import subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.bus_errors import BusFault
from runtime.message import StoredMessage

logger = logging.getLogger(__name__)

LOOK_S = 5.0
CROWDED = 0.5
"""From this share of its bound on, the egress's results are looked at one by one when nothing else lets them go."""


async def purge_for_ever(bus: Bus, app: App, is_ours: Callable[[], bool]) -> None:
    """Until cancelled; only while it is our turn."""
    purge = Purge()
    while True:
        await asyncio.sleep(LOOK_S)
        if is_ours():
            try:
                await _look(bus, app, purge)
            except BusFault as error:
                logger.info("results of %s are not purged yet: %s", app.name, error)


async def _look(bus: Bus, app: App, purge: Purge) -> None:
    ingress, egress = subjects.ingress_stream(app.name), subjects.egress_stream(app.name)
    # In this order: what is read first must not belong to inputs that are counted later.
    results = await bus.consumer_state(egress, subjects.RESULTS_CONSUMER)
    inputs = await bus.stream_state(ingress)
    if results is None or inputs is None:
        return
    floor = results.ack_floor_stream_sequence
    up_to = purge.observe(time.monotonic(), floor, inputs.last_sequence, inputs.first_sequence)
    if up_to is not None:
        await bus.purge(egress, up_to_sequence=up_to)
    elif purge.is_behind:
        state = await bus.stream_state(egress)
        if state is not None and state.bytes > CROWDED * app.limits.egress_bytes:
            await _look_closely(bus, app, purge)


async def _look_closely(bus: Bus, app: App, purge: Purge) -> None:
    """Result by result, until one has to stay."""
    egress, subject = subjects.egress_stream(app.name), subjects.put(app.name, "*", ">")
    sequence = purge.purged + 1
    while page := await bus.read_page(egress, subject, sequence):
        up_to = purge.examine((message.sequence, _root(message)) for message in page)
        if up_to is not None:
            await bus.purge(egress, up_to_sequence=up_to)
        if up_to != page[-1].sequence:
            return
        sequence = page[-1].sequence + 1


def _root(message: StoredMessage) -> int:
    """The sequence of its input; of what is none of ours, one that lets it go."""
    given = message.headers.get(subjects.INPUT_HEADER, "")
    return int(given) if given.isdigit() else 0
