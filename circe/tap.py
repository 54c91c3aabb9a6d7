"""A task's outputs for whoever listens on its `out` subject; free while nobody does.

At most once a second an output goes out as a request: 503 says that nobody heard it and shuts the tap,
anything else opens it. A tap never slows the pipeline: what does not fit is left out and counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from runtime import subjects
from runtime.bus import Bus
from runtime.bus_errors import BusFault, NoResponders, RequestTimeout

PROBE_S = 1.0
ANSWER_S = 0.25


class Tap:
    """The tap of one task."""

    def __init__(self, bus: Bus, app: str, task: str) -> None:
        self._bus = bus
        self._subject = subjects.tap(app, task)
        self._loop = asyncio.get_running_loop()
        self._open = False
        self._next_probe_s = 0.0
        self._probe: asyncio.Task[None] | None = None
        self.left_out = 0

    def offer(self, outputs: Iterable[tuple[str, bytes]]) -> None:
        """Outputs (id, payload) that somebody may want to see."""
        for item_id, payload in outputs:
            if self._loop.time() >= self._next_probe_s and (self._probe is None or self._probe.done()):
                self._next_probe_s = self._loop.time() + PROBE_S
                self._probe = asyncio.create_task(self._ask(item_id, payload), name="tap probe")
            elif not self._open:
                return
            elif not self._publish(item_id, payload):
                self.left_out += 1

    def _publish(self, item_id: str, payload: bytes) -> bool:
        if len(payload) > self._bus.link.max_payload_bytes - 1024:
            return False
        return self._bus.publish(self._subject, payload, {subjects.ID_HEADER: item_id})

    async def _ask(self, item_id: str, payload: bytes) -> None:
        try:
            await self._bus.request(self._subject, payload, ANSWER_S, {subjects.ID_HEADER: item_id})
        except NoResponders:
            self._open = False
        except RequestTimeout:
            self._open = True
        except (BusFault, ValueError):
            self.left_out += 1

    async def close(self) -> None:
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.gather(self._probe, return_exceptions=True)
