"""One call of user code with everything around it: decoding, context, routing, encoding, and what went wrong.

What user code returned is encoded here too, so that a value that cannot be encoded is the item's error, not the
worker's. Nothing that user code raises gets past a call, `sys.exit` included.
"""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from circe.flow import Job
from circe.outputs import Output, chosen
from circe.spill import load
from runtime import calling
from runtime.calling import call_async, call_sync
from runtime.codec import Codec
from runtime.context import Context
from runtime.context import Output as Value
from runtime.loader import UserTask
from runtime.network import HOME


class Failure(NamedTuple):
    """User code raised."""

    error: str
    traceback: str


class Outcome(NamedTuple):
    """What became of one job, and the seconds it took."""

    job: Job
    outputs: list[Output] | Failure
    busy_s: float


class Call:
    """Calls one task's user code."""

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
            # Here, in the thread of user code, so that only what is at work is in memory and the loop does not wait.
            return context, {parent: self._decode(parent, load(kept)) for parent, kept in job.inputs.items()}
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

    def run(self, job: Job) -> list[Output] | Failure:
        """Call a task that is not async."""
        try:
            context, value = self._open(job)
            return self._encode(job, call_sync(self.user_task, context, value))
        except BaseException as error:
            return failure(error)

    async def run_async(self, job: Job) -> list[Output] | Failure:
        """Call a task on the event loop; only being cancelled from outside gets out of it."""
        try:
            context, value = self._open(job)
            return self._encode(job, await call_async(self.user_task, context, value))
        except (asyncio.CancelledError, GeneratorExit) as error:
            running = asyncio.current_task()
            if isinstance(error, GeneratorExit) or running is None or running.cancelling():
                raise
            return failure(error)
        except BaseException as error:
            return failure(error)


_OWN_FOLDERS = tuple(str(Path(file).parent) + os.sep for file in (__file__, calling.__file__))


def failure(error: BaseException) -> Failure:
    """An exception of user code in words, without our own frames above it."""
    trace = traceback.TracebackException(type(error), error, _below_our_own(error.__traceback__), compact=True)
    # Not str(error), which is user code that may raise in its turn; a syntax error takes several lines.
    said = "".join(trace.format_exception_only()).strip()
    return Failure(said, "".join(trace.format()))


def _below_our_own(trace: TracebackType | None) -> TracebackType | None:
    """From the first frame of user code on; all of it when there is none."""
    found = trace
    while found is not None and found.tb_frame.f_code.co_filename.startswith(_OWN_FOLDERS):
        found = found.tb_next
    return found or trace
