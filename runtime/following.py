"""The shell of a follower: it hears hints, reads records, and hands over what changed.

It needs no consumer and no meta leader: a core subscription says *that* something changed, direct gets say *what*.
After every connection, and from time to time, it reads everything again and reports the differences.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from runtime.bus_errors import BusClosed, BusFault, NoResponders, NotPermitted
from runtime.follow import FollowState, Hints
from runtime.message import Message, Record

if TYPE_CHECKING:
    from runtime.bus_records import Records

logger = logging.getLogger(__name__)

SECOND_LOOK_S = 2.0
"""After a snapshot on a new connection: a replica may have been behind at the first."""
RETRY_FIRST_S = 0.05
RETRY_MOST_S = 2.0
READS_AT_ONCE = 64


def _level(error: Exception) -> int:
    if isinstance(error, NotPermitted):
        return logging.WARNING
    return logging.DEBUG if isinstance(error, BusFault) else logging.ERROR


class CaughtUp:
    """`await` it: the handler has seen every record that was there. Raises `BusClosed` when that can no longer be."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._closed = False

    def __await__(self) -> Generator[object, None, None]:
        return self._wait().__await__()

    async def _wait(self) -> None:
        await self._event.wait()
        if self._closed:
            raise BusClosed("the follower was stopped before it had caught up")

    def is_set(self) -> bool:
        """Whether it has happened."""
        return self._event.is_set() and not self._closed

    def set(self) -> None:
        """It has happened."""
        self._event.set()

    def close(self) -> None:
        """Wake whoever waits."""
        if not self._event.is_set():
            self._closed = True
            self._event.set()


class Follow:
    """`async with bus.follow(stream, filter, handler) as following: await following.caught_up`."""

    def __init__(
        self,
        bus: Records,
        stream: str,
        subject_filter: str,
        handler: Callable[[Record], None],
        resync_s: float,
    ) -> None:
        self.caught_up = CaughtUp()
        self._bus = bus
        self._stream = stream
        self._filter = subject_filter
        self._is_one = not {"*", ">"} & set(subject_filter.split("."))
        self._handler = handler
        self._resync_s = resync_s
        self._state = FollowState()
        self._hints = Hints()
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._resync_due_s = 0.0
        self._second_look = True
        self._retry_s = RETRY_FIRST_S
        self._task: asyncio.Task[None] | None = None
        self._cleanup = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen first, then read: nothing that changes in between is missed."""
        subscription = await self._bus.subscribe(self._filter, self._hint)
        self._cleanup.push_async_callback(subscription.unsubscribe)
        self._cleanup.callback(self._bus.on_reconnect(self._look_again))
        self._cleanup.callback(self._bus.on_close(self._end))
        self._task = self._loop.create_task(self._run(), name=f"follow {self._filter}")

    async def stop(self) -> None:
        """Hand over nothing more."""
        self._end()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        await self._cleanup.aclose()

    def _end(self) -> None:
        self.caught_up.close()
        if self._task is not None:
            self._task.cancel()

    def _hint(self, message: Message) -> None:
        self._hints.add(message.subject, message.payload, self._loop.time())
        self._wake.set()

    def _look_again(self) -> None:
        self._resync_due_s = 0.0
        self._second_look = True
        self._wake.set()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                if self._loop.time() >= self._resync_due_s:
                    await self._resync()
                due = self._hints.due(self._loop.time())[:READS_AT_ONCE]
                await asyncio.gather(*[self._refresh(subject) for subject in due])
                self._retry_s = RETRY_FIRST_S
            except BusClosed:
                return
            except Exception as exc:
                # No server, no leader, no stream yet: everything is in doubt until it could be read again.
                level = _level(exc)
                logger.log(
                    level, "following %s: %s; reading again", self._filter, exc, exc_info=level > logging.WARNING
                )
                self._resync_due_s = self._loop.time() + self._retry_s * random.uniform(0.5, 1.0)
                self._retry_s = min(RETRY_MOST_S, 2 * self._retry_s)
                self._hints.clear()
            await self._sleep()

    async def _sleep(self) -> None:
        next_s = self._hints.next_s()
        wake_s = self._resync_due_s if next_s is None else min(next_s, self._resync_due_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(wake_s):
                await self._wake.wait()

    async def _resync(self) -> None:
        wait_s = min(SECOND_LOOK_S, self._resync_s) if self._second_look else self._resync_s
        self._second_look = False
        self._resync_due_s = self._loop.time() + wait_s * random.uniform(0.8, 1.2)
        if self._is_one:
            await self._resync_one()
            return
        snapshot = await self._bus.snapshot(self._stream, self._filter)
        for record in snapshot:
            self._report(self._state.take(record))
        for subject in self._state.doubtful(snapshot):
            # Only the leader may say that a record is gone, or older than what we have seen.
            found = await self._bus.leader_last_message(self._stream, subject)
            self._report(self._state.settle(subject, None if found is None else found.as_record()))
        self.caught_up.set()

    async def _resync_one(self) -> None:
        """One subject is looked up by its name: whoever may read no other record may do that."""
        known = self._state.sequence(self._filter)
        found = await self._bus.last_message(self._stream, self._filter)
        if known > (0 if found is None else found.sequence):
            found = await self._bus.leader_last_message(self._stream, self._filter)
            self._report(self._state.settle(self._filter, None if found is None else found.as_record()))
        elif found is not None:
            self._report(self._state.take(found.as_record()))
        elif await self._bus.stream_state(self._stream) is None:
            raise NoResponders(f"there is no stream {self._stream} yet")
        self.caught_up.set()

    async def _refresh(self, subject: str) -> None:
        hinted = self._hints.expected(subject)
        if hinted is None:
            return
        found = await self._bus.last_message(self._stream, subject, timeout_s=0.0)
        if found is not None:
            self._report(self._state.take(found.as_record()))
        elif not hinted:
            self._report(self._state.settle(subject, None))
        self._hints.answered(subject, hinted, b"" if found is None else found.payload, self._loop.time())

    def _report(self, record: Record | None) -> None:
        if record is not None:
            self._bus.call_safely(self._handler, record)
