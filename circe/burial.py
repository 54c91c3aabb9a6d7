"""Inputs that cannot enter the graph, into the dead letters."""

from __future__ import annotations

import asyncio
import logging

from circe import travel
from circe.head import Input
from circe.letters import Origin, dead_letter, letter_headers
from circe.replay import origin_of
from runtime import subjects
from runtime.bus import Bus
from runtime.bus_errors import BusClosed, BusFault
from runtime.network import HOME

logger = logging.getLogger(__name__)

PAUSE_S = 1.0


async def bury_input(bus: Bus, app: str, item: Input, reason: str, node: str) -> None:
    """Store the letter, however long it takes: the input stays in its queue until then."""
    sequence = origin_of(item.sequence, item.headers)
    letter = dead_letter(
        HOME,
        item.item_id,
        sequence,
        item.payload,
        reason,
        node=node,
        origin=Origin(item.item_id, item.task, item.headers, item.payload),
        limit_bytes=travel.limit_bytes(bus.link.max_payload_bytes),
    )
    headers = letter_headers(HOME, item.item_id, item.sequence, sequence)
    while True:
        try:
            await bus.store_until(subjects.dead(app, HOME), letter, headers)
            return
        except BusClosed:
            raise
        except BusFault as error:
            logger.warning("the dead letter of %s is not stored yet: %s", item.item_id, error)
            await asyncio.sleep(PAUSE_S)
