"""User code, off the event loop when it is not `async`: jobs in, outcomes out, in batches.

A blocking or busy task holds up nothing but itself: beats and reports go on. What user code returned is encoded
here too, so that a value that cannot be encoded is the item's error, not the worker's.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, NamedTuple, Protocol

from circe.flow import Job
from circe.outputs import Output, chosen
from runtime.calling import call_async, call_sync
from runtime.codec import Codec
from runtime.context import Context
from runtime.context import Output as Value
from runtime.loader import UserTask
from runtime.network import HOME

MAX_AT_ONCE = 64
"""Items that one `async` task has in work at the same time."""


class Failure(NamedTuple):
    """User code raised."""

    error: str
    traceback: str


class Outcome(NamedTuple):
    """What became of one job, and the seconds it took."""

    job: Job
    outputs: list[Output] | Failure
    busy_s: float


class Runner(Protocol):
    """Takes jobs; hands outcomes to `on_outcomes` on the event loop."""

    limit: int
    """How many jobs it is worth to hand over at once."""

    def submit(self, jobs: Sequence[Job]) -> None: ...
    async def close(self) -> None: ...


class Call:
    """One call of user code with everything around it: decoding, context, encoding."""

    def __init__(
        self, user_task: UserTask, context: Context, codec: Codec, input_codec: Codec, route: str = "all"
    ) -> None:
        self.user_task = user_task
        self._route = route
        self._context = context
        self._codec = codec
        self._input_codec = input_codec

    def _open(self, job: Job) -> tuple[Context, Any]:
        context = self._context.for_item(job.item_id, job.headers or {})
        if isinstance(job.inputs, dict):
            return context, {parent: self._decode(parent, payload) for parent, payload in job.inputs.items()}
        # Only the gateway sends under the head's own name.
        return context, self._decode(HOME if job.sender == job.head else "", job.inputs)

    def _decode(self, parent: str, payload: bytes) -> Any:
        return (self._input_codec if parent == HOME else self._codec).decode(payload)

    def _encode(self, job: Job, values: Sequence[Value]) -> list[Output]:
        encode = self._codec.encode
        if self._route == "all":
            return [Output(encode(value.value), value.to, value.returned) for value in values]
        return [
            Output(encode(value.value), value.to or self._choose(job, number, value.value), value.returned)
            for number, value in enumerate(values)
        ]

    def _choose(self, job: Job, number: int, value: Any) -> str:
        if self._route == "by_key":
            assert self.user_task.key is not None  # the loader requires it
            return chosen(self._route, str(self.user_task.key(value)), self._context.children)
        return chosen(self._route, f"{job.item_id}/{number}", self._context.children)

    def run(self, job: Job) -> Outcome:
        """Call a task that is not async."""
        start = time.perf_counter()
        outputs: list[Output] | Failure
        try:
            context, value = self._open(job)
            outputs = self._encode(job, call_sync(self.user_task, context, value))
        except Exception as error:
            outputs = failure(error)
        return Outcome(job, outputs, time.perf_counter() - start)

    async def run_async(self, job: Job) -> Outcome:
        """Call a task on the event loop."""
        start = time.perf_counter()
        outputs: list[Output] | Failure
        try:
            context, value = self._open(job)
            outputs = self._encode(job, await call_async(self.user_task, context, value))
        except Exception as error:
            outputs = failure(error)
        return Outcome(job, outputs, time.perf_counter() - start)


def failure(error: Exception) -> Failure:
    """An exception of user code in words, without our own frames above it."""
    trace = traceback.TracebackException.from_exception(error)
    return Failure(f"{type(error).__name__}: {error}", "".join(trace.format()))


class ThreadRunner:
    """One thread for a task's blocking user code."""

    limit = 256

    def __init__(self, call: Call, on_outcomes: Callable[[list[Outcome]], None]) -> None:
        self._call = call
        self._on_outcomes = on_outcomes
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Sequence[Job] | None] = SimpleQueue()
        self._outcomes: deque[Outcome] = deque()
        self._woken = False
        self._thread = threading.Thread(target=self._work, name="user-code", daemon=True)
        self._thread.start()

    def submit(self, jobs: Sequence[Job]) -> None:
        self._jobs.put(jobs)

    def _work(self) -> None:
        while (jobs := self._jobs.get()) is not None:
            for job in jobs:
                self._outcomes.append(self._call.run(job))
                if not self._woken:
                    self._woken = True
                    self._wake()

    def _wake(self) -> None:
        # A closed loop means that the process is on its way out.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._hand_over)

    def _hand_over(self) -> None:
        self._woken = False
        outcomes: list[Outcome] = []
        while self._outcomes:
            outcomes.append(self._outcomes.popleft())
        if outcomes:
            self._on_outcomes(outcomes)

    async def close(self) -> None:
        """The thread ends after what it has in work; a hung one ends with the process."""
        self._jobs.put(None)


class LoopRunner:
    """A task's `async` user code, on the event loop, several items at once."""

    limit = MAX_AT_ONCE

    def __init__(self, call: Call, on_outcomes: Callable[[list[Outcome]], None]) -> None:
        self._call = call
        self._on_outcomes = on_outcomes
        self._running: set[asyncio.Task[None]] = set()

    def submit(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            running = asyncio.create_task(self._run(job), name=f"item {job.item_id}")
            self._running.add(running)
            running.add_done_callback(self._running.discard)

    async def _run(self, job: Job) -> None:
        self._on_outcomes([await self._call.run_async(job)])

    async def close(self) -> None:
        """Cancel what is still in work."""
        for running in list(self._running):
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


def runner_for(call: Call, on_outcomes: Callable[[list[Outcome]], None]) -> Runner:
    """The runner that suits the task's kind."""
    return (LoopRunner if call.user_task.is_async else ThreadRunner)(call, on_outcomes)
