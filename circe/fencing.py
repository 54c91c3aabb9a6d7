"""The shell around `circe.fence`: holds back what would leave too late, and ends the process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from circe.fence import CUT_OFF_S, Fence
from runtime.bus import Bus
from runtime.clock import clock_s
from runtime.errors import JupiterError


class Fencing:
    """Of one process that others may replace: `beat` at least as often as it says that it lives."""

    def __init__(self, bus: Bus, spoken_for_s: Callable[[], float] = lambda: 0.0) -> None:
        """`spoken_for_s`: when our parent last spoke for us, because our code kept the interpreter to itself."""
        self._bus = bus
        self._spoken_for_s = spoken_for_s
        self._fence = Fence(clock_s())
        self._asking: asyncio.Task[None] | None = None
        self._held_back = False
        # At the last moment: a process may be stopped between deciding and sending, too.
        bus.link.guard_writes(self._may_write)

    def _may_write(self) -> bool:
        self._held_back = bool(self._fence.fault(clock_s(), self._spoken_for_s()))
        return not self._held_back

    def beat(self) -> None:
        """Raises JupiterError when this process was away for too long."""
        fault = self._fence.ran(clock_s(), self._spoken_for_s())
        is_up = self._bus.link.is_up
        # While there is no connection nothing can leave, and who ended might find no server to begin again with.
        if fault and (is_up or self._held_back):
            raise JupiterError(f"{fault}: ending, because another may have taken over")
        if is_up and (self._asking is None or self._asking.done()):
            self._asking = asyncio.create_task(self._ask(), name="round trip")

    async def _ask(self) -> None:
        asked_s = clock_s()
        if await self._bus.flush(CUT_OFF_S):
            self._fence.heard(asked_s)
