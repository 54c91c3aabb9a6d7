"""The shell of a standing pull: `runtime.pull` decides, this asks the server and hands deliveries over."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from runtime.jetstream import API, of_consumer
from runtime.message import Delivery, Message, text
from runtime.pull import PullState

if TYPE_CHECKING:
    from runtime.bus_core import Core

RETIRE_S = 2.0
EXPIRES_S = 4.0
"""A request ends by itself after so long: sooner than anybody is named to read instead of who vanished with one."""
HEARTBEAT_S = 2.0
"""At most half of that, says the server."""


class Pull:
    """Messages of one consumer, as many as were wanted. A status message is never handed over."""

    def __init__(
        self,
        core: Core,
        stream: str,
        consumer: str,
        handler: Callable[[Delivery], None],
        heartbeat_s: float,
        expires_s: float,
    ) -> None:
        self._core = core
        self._next = API + of_consumer("MSG.NEXT", stream, consumer)
        self._handler = handler
        self._heartbeat_s = heartbeat_s
        self._expires_s = expires_s
        self._state = PullState(heartbeat_s)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._step_planned = False
        self._inbox = ""
        self._listening = -1
        self._sids: list[int] = []
        self._renewal: asyncio.Task[None] | None = None
        self._retiring: set[asyncio.Task[None]] = set()
        self._ghost_s = 0.0
        """How long what was asked for over a connection that is gone may still be served."""
        self._stopped = asyncio.Event()
        self._undo: list[Callable[[], None]] = []

    @property
    def wanted(self) -> int:
        """How many more messages it is ready for."""
        return self._state.wanted

    @property
    def trouble(self) -> str:
        """Why nothing comes at the moment, in the server's words; empty when all is well."""
        return self._state.trouble

    async def start(self) -> None:
        """Listen, and begin again on every new connection."""
        self._undo = [self._core.on_reconnect(self._restart), self._core.on_close(self._end)]
        await self._listen()

    def want(self, count: int, max_bytes: int = 0) -> None:
        """Be ready for `count` more messages. Lowering it takes nothing back: what was asked for may come.

        `max_bytes` bounds each request; the server ends a request whose next message does not fit, so it is
        never set below the largest message.
        """
        if max_bytes:
            max_bytes = max(max_bytes, self._core.link.max_payload_bytes + 8192)
        self._state.want(count, max_bytes)
        self._plan_step()

    async def stop(self) -> None:
        """Hand over nothing more; what is under way goes back to the queue."""
        self._end()
        for undo in self._undo:
            undo()
        await asyncio.gather(*self._retiring, *([self._renewal] if self._renewal else []), return_exceptions=True)
        await self._retire(self._sids)

    def _end(self) -> None:
        self._stopped.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._renewal is not None:
            self._renewal.cancel()

    async def _listen(self) -> None:
        """A reply subject for this generation; interest in the older ones ends, so their requests lapse."""
        generation = self._state.generation
        inbox = self._core.new_inbox()
        old, self._sids = self._sids, []

        def route(subject: bytes, reply: bytes, block: bytes, payload: bytes) -> None:
            self._received(generation, subject, reply, block, payload)

        self._sids.append(await self._core.link.add_route(inbox, route))
        self._inbox, self._listening = inbox, generation
        self._plan_step()
        ghost_s, self._ghost_s = self._ghost_s, 0.0
        retirement = self._loop.create_task(self._retire(old, ghost_s), name=f"retire {self._next}")
        self._retiring.add(retirement)
        retirement.add_done_callback(self._retiring.discard)

    async def _retire(self, sids: list[int], ghost_s: float = 0.0) -> None:
        """End the interest, and listen until the server has read that: what was under way is ours to take."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ghost_s):
                await self._stopped.wait()
        # Dropped at once, it was a message that nobody had until the consumer's acknowledgement wait was over.
        for sid in sids:
            await self._core.link.end_interest(sid)
        await self._core.link.round_trip(RETIRE_S)
        for sid in sids:
            self._core.link.forget_route(sid)

    def _received(self, generation: int, subject: bytes, reply: bytes, block: bytes, payload: bytes) -> None:
        if self._stopped.is_set():
            if reply and not self._core.closed.is_set():
                self._core.send(text(reply), b"-NAK")
            return
        now_s = self._loop.time()
        if not reply.startswith(b"$JS.ACK."):
            message = Message("", payload, block)
            left = message.headers.get("Nats-Pending-Messages")
            pending = None if left is None else int(left)
            self._state.status(generation, message.status, message.description, pending, now_s)
            self._plan_step()
            return
        self._state.delivered(generation, now_s)
        self._handler(Delivery(text(subject), payload, block, text(reply)))
        self._plan_step()

    def _restart(self) -> None:
        """A new connection: the server may take the old one for alive, and serve there what was asked for. Who listens
        as well gets it too; otherwise nobody had it until the consumer's acknowledgement wait was over."""
        self._ghost_s = self._expires_s
        self._state.restart(self._loop.time())
        self._plan_step()

    def _plan_step(self) -> None:
        # One step after a burst of deliveries, not one per delivery.
        if not self._step_planned and not self._stopped.is_set():
            self._step_planned = True
            self._loop.call_soon(self._step)

    def _step(self) -> None:
        self._step_planned = False
        if self._stopped.is_set():
            return
        now_s = self._loop.time()
        if self._listening != self._state.generation:
            if self._renewal is None or self._renewal.done():
                self._renewal = self._loop.create_task(self._listen(), name=f"renew {self._next}")
            return
        request = self._state.step(now_s)
        if self._listening != self._state.generation:
            self._plan_step()
            return
        if request is not None:
            body = request.encode(self._expires_s, self._heartbeat_s)
            self._core.send(self._next, body, self._inbox)
        self._set_timer(now_s)

    def _set_timer(self, now_s: float) -> None:
        wake_s = self._state.wake_s(now_s)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if wake_s is not None:
            self._timer = self._loop.call_at(max(wake_s, now_s + 0.001), self._plan_step)
