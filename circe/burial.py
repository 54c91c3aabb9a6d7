"""Dead letters into their stream, each however long it takes: where there is no room for them, the pipeline waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from circe import travel
from circe.head import Input
from circe.letters import Origin, dead_letter, letter_headers
from circe.replay import origin_of
from runtime import subjects
from runtime.bus import Bus
from runtime.bus_errors import BusClosed
from runtime.network import HOME

logger = logging.getLogger(__name__)

STORE_DEADLINE_S = 5.0
FIRST_RETRY_S = 0.05
LONGEST_RETRY_S = 1.0


class Burial:
    """The way of one process's dead letters."""

    def __init__(self, bus: Bus) -> None:
        self.waiting = 0
        """Letters that were not stored at the first try, and are not yet."""
        self._bus = bus
        self._one = asyncio.Lock()

    async def store(
        self,
        subject: str,
        letter: bytes,
        headers: Mapping[str, str],
        item_id: str,
        is_moot: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Whether it is stored; not when no letter is due any more by the time of another try. Raises BusClosed, and
        nothing else."""
        fault = await self._try(subject, letter, headers)
        if fault is None:
            return True
        logger.warning("the dead letter of %s is not stored yet: %s", item_id, fault)
        self.waiting += 1
        try:
            async with self._one:  # where there is no room for one there is none for many
                wait_s = FIRST_RETRY_S
                while await self._try(subject, letter, headers) is not None:
                    await asyncio.sleep(wait_s)
                    wait_s = min(2 * wait_s, LONGEST_RETRY_S)
                    if is_moot():
                        return False
        finally:
            self.waiting -= 1
        return True

    async def _try(self, subject: str, letter: bytes, headers: Mapping[str, str]) -> Exception | None:
        try:
            await self._bus.store(subject, letter, headers, STORE_DEADLINE_S)
        except BusClosed:
            raise
        except Exception as fault:  # whatever it is: an item without its end would be in flight for ever, and unseen
            return fault
        return None

    async def bury_input(self, app: str, item: Input, reason: str, node: str) -> None:
        """Of an input that cannot enter the graph; it stays in its queue until its letter is stored."""
        sequence = origin_of(item.sequence, item.headers)
        letter = dead_letter(
            HOME,
            item.item_id,
            sequence,
            item.payload,
            reason,
            node=node,
            origin=Origin(item.item_id, item.task, item.headers, item.payload),
            limit_bytes=travel.limit_bytes(self._bus.link.max_payload_bytes),
        )
        headers = letter_headers(HOME, item.item_id, item.sequence, sequence)
        await self.store(subjects.dead(app, HOME, item.item_id), letter, headers, item.item_id)
