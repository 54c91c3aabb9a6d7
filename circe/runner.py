"""User code, off the event loop when it is not `async`: jobs in, outcomes out, in batches.

A blocking or busy task holds up nothing but itself: beats and reports go on. The item in user code stands in
shared memory, so that the worker's parent can name it when it takes the process with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Protocol

from circe.call import Call, Outcome
from circe.job import Job
from circe.loop_runner import LoopRunner
from circe.printing import ITEM
from runtime.slot import Slots

logger = logging.getLogger(__name__)

EXIT_RUNNER_DIED = 70


class Runner(Protocol):
    """Takes jobs; hands outcomes to `on_outcomes` on the event loop."""

    limit: int
    """How many jobs it is worth to hand over at once."""

    def submit(self, jobs: Sequence[Job]) -> None: ...
    def submit_alone(self, job: Job) -> None:
        """Run it while nothing else is in work."""

    def rest(self) -> None:
        """Begin no further job until `go_on`."""

    def go_on(self) -> None: ...
    async def close(self) -> None: ...


class ThreadRunner:
    """One thread for a task's blocking user code."""

    limit = 256

    def __init__(self, call: Call, on_outcomes: Callable[[list[Outcome]], None], slots: Slots) -> None:
        self._call = call
        self._on_outcomes = on_outcomes
        self._slots = slots
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._jobs: SimpleQueue[Sequence[Job] | None] = SimpleQueue()
        self._outcomes: deque[Outcome] = deque()
        self._woken = False
        self._is_closed = False
        self._may_begin = threading.Event()
        self._may_begin.set()
        slots.begin(1)
        self._thread = threading.Thread(target=self._work, name="user-code", daemon=True)
        self._thread.start()

    def submit(self, jobs: Sequence[Job]) -> None:
        self._jobs.put(jobs)

    def submit_alone(self, job: Job) -> None:
        self._jobs.put([job])

    def _work(self) -> None:
        try:
            while (jobs := self._jobs.get()) is not None:
                for job in jobs:
                    if not self._may_begin.is_set():  # a fifth of what `wait` costs when there is nothing to wait for
                        self._may_begin.wait()
                    if self._is_closed:
                        return
                    self._outcomes.append(self._run(job))
                    if not self._woken:
                        self._woken = True
                        self._wake()
        except BaseException:
            # Not even the error could be kept (no memory, perhaps). Without its thread the worker would be alive
            # and do nothing; like this its parent finds the item in its slot.
            logger.critical("the thread of user code died", exc_info=True)
            os._exit(EXIT_RUNNER_DIED)

    def _run(self, job: Job) -> Outcome:
        ITEM.set(job.item_id)
        started_s = time.monotonic()
        self._slots.enter(0, job.root, job.attempt, job.item_id, started_s)
        outputs = self._call.run(job)
        self._slots.leave(0)
        return Outcome(job, outputs, time.monotonic() - started_s)

    def _wake(self) -> None:
        # A closed loop means that the process is on its way out.
        with contextlib.suppress(RuntimeError):
            # In our own context: in the thread's, all that is said there would be about the item in work.
            self._loop.call_soon_threadsafe(self._hand_over, context=self._context)

    def _hand_over(self) -> None:
        self._woken = False
        outcomes: list[Outcome] = []
        while self._outcomes:
            outcomes.append(self._outcomes.popleft())
        if outcomes and not self._is_closed:
            self._on_outcomes(outcomes)

    def rest(self) -> None:
        self._may_begin.clear()

    def go_on(self) -> None:
        self._may_begin.set()

    async def close(self) -> None:
        """The thread ends after the item in work, which nobody hears of any more; a hung one ends with the process."""
        self._is_closed = True
        self._may_begin.set()
        self._jobs.put(None)


def runner_for(
    call: Call, on_outcomes: Callable[[list[Outcome]], None], slots: Slots, timeout_s: float | None
) -> Runner:
    """The runner that suits the task's kind."""
    if call.user_task.is_async:
        return LoopRunner(call, on_outcomes, slots, timeout_s)
    return ThreadRunner(call, on_outcomes, slots)
