"""One call of user code with everything around it: decoding, context, routing, encoding, and what went wrong.

What user code returned is encoded here too, so that a value that cannot be encoded is the item's error, not the
worker's. Nothing that user code raises gets past a call, `sys.exit` included.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, cast

from circe.groups import unpack
from circe.job import Job
from circe.outputs import Given, Output, chosen
from circe.sorting import Member
from circe.spill import load
from runtime import calling
from runtime.calling import call_async, call_sync, group_of
from runtime.codec import FILES, Codec
from runtime.context import Context
from runtime.context import Output as Value
from runtime.loader import UserTask
from runtime.network import HOME
from runtime.reference import Reference

MOST_DECODED_BYTES = 64 << 20
"""Of one input, by the other codecs: they need it in memory, several times over."""


class Failure(NamedTuple):
    """User code raised."""

    error: str
    traceback: str


class Outcome(NamedTuple):
    """What became of one job, and the seconds it took."""

    job: Job
    outputs: list[Output[Given]] | Failure
    busy_s: float


class Call:
    """Calls one task's user code."""

    def __init__(
        self,
        user_task: UserTask,
        context: Context,
        codec: Codec,
        input_codec: Codec,
        route: str = "all",
        file_bytes: int = 8 << 20,
        *,
        gathers: bool = False,
    ) -> None:
        """Inputs that came as files and are larger than `file_bytes` stay files, where the codec is `bytes`.

        `gathers`: an input is a group, which user code gets as a list.
        """
        self.user_task = user_task
        self._route = route
        self._context = context
        self._codec = codec
        self._input_codec = input_codec
        self._file_bytes = file_bytes
        self._gathers = gathers

    def _open(self, job: Job) -> tuple[Context, Any]:
        context = self._context.for_item(job.item_id, job.headers or {})
        inputs = cast("Given | dict[str, Given]", job.inputs if job.opened is None else job.opened)
        if type(inputs) is bytes and not self._gathers:  # the usual case
            return context, self._codec_of(_parent(job)).decode(inputs)
        if isinstance(inputs, dict):
            return context, {parent: self._decode(parent, given) for parent, given in inputs.items()}
        if self._gathers and not isinstance(job, Member):
            return context, [self._decode("", member) for member in unpack(cast(bytes, inputs))]
        return context, self._decode(_parent(job), inputs)

    def _codec_of(self, parent: str) -> Codec:
        return self._input_codec if parent == HOME else self._codec

    def _decode(self, parent: str, given: Given) -> Any:
        codec = self._codec_of(parent)
        if not isinstance(given, Path):
            # Here, in the thread of user code, so that only what is at work is in memory and the loop does not wait.
            return codec.decode(load(given))
        if codec.name == FILES and given.stat().st_size > self._file_bytes:
            return given
        return codec.decode(given.read_bytes())

    def size_fault(self, job: Job) -> str:
        """Why an input is too big for its codec; empty when none is."""
        if isinstance(job, Member) and isinstance(job.inputs, Reference):
            message = f"an item has {job.inputs.size_bytes} bytes, and a group, of which it would be, is one message"
            return f"{message}; have a task before the gather give less of it on"
        inputs = job.inputs if isinstance(job.inputs, dict) else {_parent(job): job.inputs}
        for parent, payload in inputs.items():
            codec = self._codec_of(parent)
            if isinstance(payload, Reference) and codec.name != FILES and payload.size_bytes > MOST_DECODED_BYTES:
                return (
                    f"an input has {payload.size_bytes} bytes, and codec {codec.name} decodes at most "
                    f"{MOST_DECODED_BYTES}; use codec bytes, which gives large inputs as files"
                )
        return ""

    def _encode(self, job: Job, context: Context, values: Sequence[Value]) -> list[Output[Given]]:
        encode: Callable[[Any], Given] = self._codec.encode
        if self._codec.name == FILES:
            encode = partial(self._bytes_or_file, job, context)
        if self._route == "all":
            return [Output(encode(value.value), value.to, value.returned) for value in values]
        return [
            Output(encode(value.value), value.to or self._choose(job, number, value.value), value.returned)
            for number, value in enumerate(values)
        ]

    def _bytes_or_file(self, job: Job, context: Context, value: Any) -> Given:
        """A file may be given instead of bytes, as long as it stays what it is until it was taken."""
        if not isinstance(value, Path):
            return self._codec.encode(value)
        path = value.resolve()
        if not any(path.is_relative_to(folder) for folder in (context.folder, job.folder) if folder):
            raise ValueError(f"the task gave the file {value}, which is not in ctx.scratch; write large outputs there")
        if not path.is_file():
            raise ValueError(f"the task gave {value}, which is no file")
        return path

    def _choose(self, job: Job, number: int, value: Any) -> str:
        if self._route == "by_key":
            assert self.user_task.key is not None  # the loader requires it
            return chosen(self._route, str(self.user_task.key(value)), self._context.children)
        return chosen(self._route, f"{job.item_id}/{number}", self._context.children)

    def _sort(self, job: Member, context: Context, value: Any) -> list[Output[Given]]:
        """The answer stands in the job."""
        job.key, job.is_last = group_of(self.user_task, context, value)
        return []

    def run(self, job: Job) -> list[Output[Given]] | Failure:
        """Call a task that is not async."""
        context: Context | None = None
        try:
            context, value = self._open(job)
            if isinstance(job, Member):
                return self._sort(job, context, value)
            outputs = self._encode(job, context, call_sync(self.user_task, context, value))
        except BaseException as error:
            _clear(context)
            return failure(error)
        if context.folder is not None:
            self._keep_or_clear(job, context, outputs)
        return outputs

    async def run_async(self, job: Job) -> list[Output[Given]] | Failure:
        """Call a task on the event loop; only being cancelled from outside gets out of it."""
        context: Context | None = None
        try:
            context, value = self._open(job)
            if isinstance(job, Member):
                return self._sort(job, context, value)
            outputs = self._encode(job, context, await call_async(self.user_task, context, value))
            if context.folder is not None:
                await asyncio.to_thread(self._keep_or_clear, job, context, outputs)
            return outputs
        except (asyncio.CancelledError, GeneratorExit) as error:
            running = asyncio.current_task()
            if isinstance(error, GeneratorExit) or running is None or running.cancelling():
                raise
            _clear(context)
            return failure(error)
        except BaseException as error:
            _clear(context)
            return failure(error)

    def _keep_or_clear(self, job: Job, context: Context, outputs: Sequence[Output[Given]]) -> None:
        """Files that are outputs are still to be taken; whoever takes them clears up."""
        if any(isinstance(output.payload, Path) for output in outputs):
            job.scratch = context.folder
        else:
            _clear(context)


def _parent(job: Job) -> str:
    """Whose output an input is, as far as its codec depends on it: only the gateway sends under a head's own name."""
    return HOME if job.sender == job.head else ""


def _clear(context: Context | None) -> None:
    if context is not None and context.folder is not None:
        shutil.rmtree(context.folder, ignore_errors=True)


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
