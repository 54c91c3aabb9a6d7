"""The journal of a gather in its stream: one message, which only who wrote or read the last one can replace."""

from __future__ import annotations

import asyncio
import logging

from circe.groups import State, decode_state, encode_state
from runtime import subjects
from runtime.bus import Bus
from runtime.bus_errors import BusClosed, BusFault, WrongLastSequence
from runtime.refusals import refuse

logger = logging.getLogger(__name__)

EXPECTED = "Nats-Expected-Last-Subject-Sequence"
STORE_DEADLINE_S = 5.0
FIRST_RETRY_S = 0.05
LONGEST_RETRY_S = 1.0


class Journal:
    """As one process reads and writes it."""

    def __init__(self, bus: Bus, app: str, task: str, writer: str) -> None:
        self._bus = bus
        self._stream = subjects.gather_stream(app, task)
        self._subject = subjects.gather(app, task)
        self._writer = writer
        self._number = 0
        self._position = 0

    async def read(self) -> State:
        """What it says now; the next write must follow this."""
        message = await self._bus.last_message(self._stream, self._subject)
        self._position = 0 if message is None else message.sequence
        if message is None:
            return State()
        try:
            return decode_state(message.payload)[0]
        except ValueError as error:
            refuse(f"the journal {self._subject}, and all its groups begin anew", error)
            return State()

    async def write(self, state: State) -> bool:
        """Replace it, however long that takes; False when somebody else has done so first."""
        self._number += 1
        payload = encode_state(state, self._writer, self._number)
        wait_s = FIRST_RETRY_S
        while True:
            try:
                headers = {EXPECTED: str(self._position)}
                self._position = (await self._bus.store(self._subject, payload, headers, STORE_DEADLINE_S)).sequence
                return True
            except BusClosed:
                raise
            except WrongLastSequence:
                found = await self._found()
                if found is not None:
                    return found == payload
            except BusFault as error:
                logger.warning("the journal %s is not written yet: %s", self._stream, error)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_RETRY_S)

    async def _found(self) -> bytes | None:
        """What stands there instead: what we wrote, when only the answer was lost; None when nobody says yet."""
        try:
            message = await self._bus.last_message(self._stream, self._subject)
        except BusFault:
            return None
        if message is None or message.sequence == self._position:
            return None  # from a replica that is behind
        self._position = message.sequence
        try:
            decode_state(message.payload)
        except ValueError as error:
            refuse(f"the journal {self._subject}", error)
            return None  # nobody who has taken over: it is written over
        return message.payload
