"""A task's `async` user code, on the event loop, several items at once.

Each item has a slot in shared memory, and every step of its code is marked there: when the process dies in a step,
or the loop never comes back from one, it is known whose step it was.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Sequence
from types import coroutine
from typing import Any, TypeVar

from circe.call import Call, Failure, Outcome, failure
from circe.job import Job
from circe.outputs import Given, Output
from circe.printing import ITEM
from runtime.charges import took_too_long
from runtime.slot import SLOTS, Slots

T = TypeVar("T")


class LoopRunner:
    """See the module."""

    limit = SLOTS

    def __init__(
        self,
        call: Call,
        on_outcomes: Callable[[list[Outcome]], None],
        slots: Slots,
        timeout_s: float | None,
    ) -> None:
        self._call = call
        self._on_outcomes = on_outcomes
        self._slots = slots
        self._timeout_s = timeout_s
        self._free = list(reversed(range(SLOTS)))
        self._running: set[asyncio.Task[None]] = set()
        self._waiting: deque[Job] = deque()
        self._alone: deque[Job] = deque()
        self._is_alone = False
        self._rests = False
        slots.begin(SLOTS)

    def submit(self, jobs: Sequence[Job]) -> None:
        self._waiting.extend(jobs)
        self._begin()

    def submit_alone(self, job: Job) -> None:
        self._alone.append(job)
        self._begin()

    def rest(self) -> None:
        self._rests = True

    def go_on(self) -> None:
        self._rests = False
        self._begin()

    def _begin(self) -> None:
        """Start what may start; while somebody is to run alone, nobody else does."""
        if self._rests:
            return
        if self._alone:
            if not self._running:
                self._is_alone = True
                self._start(self._alone.popleft())
            return
        while self._waiting and self._free and not self._is_alone:
            self._start(self._waiting.popleft())

    def _start(self, job: Job) -> None:
        running = asyncio.create_task(self._run(job, self._free.pop()), name=f"item {job.item_id}")
        self._running.add(running)
        running.add_done_callback(self._ended)

    def _ended(self, running: asyncio.Task[None]) -> None:
        self._running.discard(running)
        self._is_alone = self._is_alone and bool(self._running)
        if not running.cancelled():
            self._begin()

    async def _run(self, job: Job, slot: int) -> None:
        ITEM.set(job.item_id)
        started_s = time.monotonic()
        self._slots.enter(slot, job.root, job.attempt, job.item_id, started_s)
        try:
            outputs = await self._within_time(job, slot)
        finally:
            self._slots.leave(slot)
            self._free.append(slot)
        self._on_outcomes([Outcome(job, outputs, time.monotonic() - started_s)])

    async def _within_time(self, job: Job, slot: int) -> list[Output[Given]] | Failure:
        """User code gets its time on the loop first; its parent ends what does not heed that."""
        work = marked(self._call.run_async(job), self._slots, slot)
        if self._timeout_s is None:
            return await work
        try:
            async with asyncio.timeout(self._timeout_s) as limit:
                outputs = await work
        except TimeoutError as error:
            return Failure(took_too_long(self._timeout_s), _where(error))
        if limit.expired() and isinstance(outputs, Failure):
            return Failure(took_too_long(self._timeout_s), outputs.traceback)
        return outputs

    async def close(self) -> None:
        """Cancel what is still in work."""
        for running in list(self._running):
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


def _where(error: TimeoutError) -> str:
    """Where user code was when its time was over."""
    return failure(error.__cause__ or error).traceback


@coroutine
def marked(work: Coroutine[Any, Any, T], slots: Slots, slot: int) -> Generator[Any, Any, T]:
    """Await `work`, with every one of its steps marked in shared memory."""
    value: Any = None
    thrown: BaseException | None = None
    while True:
        slots.step(slot, time.monotonic())
        try:
            awaited = work.send(value) if thrown is None else work.throw(thrown)
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            slots.pause()
        try:
            value, thrown = (yield awaited), None
        except BaseException as error:  # whatever it is, it is for `work`
            thrown = error
