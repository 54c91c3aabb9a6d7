"""One task timed on sample items, called exactly as a worker calls it, codecs included.

Runs in the profiler's child, beside user code: it imports nothing but `runtime` and the standard library.
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agents import timing
from agents.grouping import groups
from agents.samples import Sample, SampleInput
from agents.timing import Run
from runtime import calling
from runtime.app import App
from runtime.codec import CODECS, FILES, Codec
from runtime.context import Context, Output
from runtime.errors import AppError
from runtime.graph import Task
from runtime.loader import UserTask, load_task
from runtime.network import HOME

ByChild = dict[str, list[bytes]]


class TaskError(Exception):
    """User code raised on every sample item it was given; says what and where."""


class Measurement:
    """One task on its sample input. `measure` fills the rest."""

    def __init__(self, app: App, task: Task, folder: Path, node: str, cores: float, runner: asyncio.Runner) -> None:
        self._cores = cores
        self._task = task
        self._app = app
        self._folder = folder.resolve()
        self._runner = runner
        # Beside the copy of the folder, which is thrown away with all that lies there.
        scratch = self._folder.parent / "scratch"
        self._ctx = Context(app=app.name, task=task.name, node=node, children=task.children, scratch_root=scratch)
        self._file_bytes = app.limits.file_bytes
        self._codec = CODECS[app.codec]
        self._entry_codec = CODECS[task.input_codec or app.codec]
        self._is_entry = HOME in app.graph.parents(task.name)
        self._is_join = app.graph.is_join(task.name)
        self.sent: list[tuple[str, ByChild]] = []
        """For each distinct item that succeeded: its id, and what it sent to each child."""
        self.failed_items = 0
        self._input_bytes = 0
        """Of those items together."""
        self._items = 0
        """More than there were calls where each was a group."""

    def measure(self, inputs: list[SampleInput], budget_s: float) -> dict[str, Any]:
        """The numbers of an execution profile; raises TaskError with one sentence."""
        started_s = time.perf_counter()
        try:
            user_task = load_task(self._app.name, self._task, self._folder)
            self._hook(user_task, user_task.setup)
        except (Exception, SystemExit) as error:
            raise TaskError(self._sentence(error)) from error
        prepared_s = time.perf_counter() - started_s
        try:
            first, runs = self._repeat(user_task, self._grouped(user_task, inputs), budget_s)
        finally:
            self._teardown(user_task)
        numbers = timing.summary(first, runs)._asdict()
        numbers["cold_s"] = prepared_s + first.wall_s
        numbers["failed_items"] = self.failed_items
        return numbers | self._traffic()

    def _grouped(self, user_task: UserTask, inputs: list[SampleInput]) -> list[SampleInput]:
        """A gather is measured on groups; raises TaskError when no item has one."""
        if self._task.gather is None:
            return inputs
        good, keys, complaint = [], [], ""
        for item in inputs:
            try:
                ctx = self._ctx.for_item(item.item_id)
                key, _ = calling.group_of(user_task, ctx, self._decode(item, ctx))
            except (Exception, SystemExit) as error:
                complaint = complaint or f"on {item.item_id}: {self._sentence(error)}"
                self.failed_items += 1
                continue
            good.append(item)
            keys.append(key)
        if not good:
            raise TaskError(complaint)
        return groups(good, keys, self._task.gather.count)

    def _repeat(self, user_task: UserTask, inputs: list[SampleInput], budget_s: float) -> tuple[Run, list[Run]]:
        """Every item once as long as the budget allows, then round and round."""
        first: Run | None = None
        runs: list[Run] = []
        good: list[SampleInput] = []
        complaint = ""
        for item in inputs:
            try:
                run, outputs = self._call(user_task, item)
            except (Exception, SystemExit) as error:
                complaint = complaint or f"on {item.item_id}: {self._sentence(error)}"
                self.failed_items += 1
                continue
            good.append(item)
            self.sent.append((item.item_id, self._by_child(outputs)))
            self._input_bytes += item.size_bytes
            self._items += item.items
            if first is None:
                first = run
            else:
                runs.append(run)
            if self._has_sent() and timing.is_enough(first.wall_s, _walls(runs), budget_s):
                break
        if first is None:
            raise TaskError(complaint)
        while not timing.is_enough(first.wall_s, _walls(runs), budget_s):
            runs.append(self._call(user_task, good[(len(runs) + 1) % len(good)])[0])
        return first, runs

    def _call(self, user_task: UserTask, item: SampleInput) -> tuple[Run, list[Sample]]:
        ctx = self._ctx.for_item(item.item_id)
        if user_task.is_async:
            return self._runner.run(self._timed_async(user_task, ctx, item))
        clock = _Clock(self._cores)
        self._sort(user_task, ctx, item)
        outputs = calling.call_sync(user_task, ctx, self._decode(item, ctx))
        encoded = self._encode(outputs)
        return self._ended(clock.read(item.items), ctx), encoded

    async def _timed_async(self, user_task: UserTask, ctx: Context, item: SampleInput) -> tuple[Run, list[Sample]]:
        clock = _Clock(self._cores)
        self._sort(user_task, ctx, item)
        outputs = await calling.call_async(user_task, ctx, self._decode(item, ctx))
        encoded = self._encode(outputs)
        return self._ended(clock.read(item.items), ctx), encoded

    @staticmethod
    def _ended(run: Run, ctx: Context) -> Run:
        if ctx.folder is not None:
            shutil.rmtree(ctx.folder, ignore_errors=True)
        return run

    def _sort(self, user_task: UserTask, ctx: Context, item: SampleInput) -> None:
        """Before a group runs, its members are asked which one it is, where user code says that."""
        if user_task.sorts:
            for member in item.members:
                calling.group_of(user_task, ctx, self._codec.decode(member))

    def _decode(self, item: SampleInput, ctx: Context) -> Any:
        if item.members:
            return [self._codec.decode(member) for member in item.members]
        if item.payload is None:
            return {
                parent: self._value(self._entry_codec if parent == HOME else self._codec, part, ctx)
                for parent, part in item.parts.items()
            }
        value = self._value(self._entry_codec if self._is_entry else self._codec, item.payload, ctx)
        if self._is_join and not isinstance(value, Mapping):
            raise TypeError("the sample_input of a join must hold objects {parent: value}")
        return value

    def _value(self, codec: Codec, payload: bytes, ctx: Context) -> Any:
        """As a worker would give it: a large one of codec `bytes` as a file."""
        if codec.name != FILES or len(payload) <= self._file_bytes:
            return codec.decode(payload)
        path = Path(tempfile.mkstemp(prefix="input-", dir=ctx.scratch)[1])
        path.write_bytes(payload)
        return path

    def _encode(self, outputs: list[Output]) -> list[Sample]:
        """Payloads in order, each with the child it is for ('' means all)."""
        return [Sample(output.to or "", self._payload(output.value)) for output in outputs]

    def _payload(self, value: Any) -> bytes:
        return (
            value.read_bytes() if isinstance(value, Path) and self._codec.name == FILES else self._codec.encode(value)
        )

    def _by_child(self, outputs: list[Sample]) -> ByChild:
        return {child: [payload for to, payload in outputs if to in ("", child)] for child in self._task.children}

    def _has_sent(self) -> bool:
        """Whether every child has something to be measured on."""
        return all(any(by_child[child] for _, by_child in self.sent) for child in self._task.children)

    def _traffic(self) -> dict[str, float | dict[str, float]]:
        """Bytes and outputs per input item, by child. A route sends each output to one child: on average."""
        share = 1 / self._items / (1 if self._task.route == "all" else len(self._task.children))
        sent = {
            child: [payload for _, by_child in self.sent for payload in by_child[child]]
            for child in self._task.children
        }
        return {
            "input_bytes": self._input_bytes / self._items,
            "output_bytes": {child: sum(map(len, payloads)) * share for child, payloads in sent.items()},
            "outputs": {child: len(payloads) * share for child, payloads in sent.items()},
        }

    def _hook(self, user_task: UserTask, hook: Callable[..., Any] | None) -> None:
        if user_task.is_async:
            self._runner.run(calling.call_hook_async(hook, self._ctx))
        else:
            calling.call_hook(hook, self._ctx)

    def _teardown(self, user_task: UserTask) -> None:
        try:
            self._hook(user_task, user_task.teardown)
        except (Exception, SystemExit):
            self._ctx.logger.exception("teardown of task '%s' raised", self._task.name)

    def _sentence(self, error: BaseException) -> str:
        """What user code raised, and its own last line that led there; paths relative to its folder."""
        if isinstance(error, AppError):
            return str(error).replace(f"{self._folder}/", "")
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if Path(frame.filename).is_relative_to(self._folder)]
        place = f" at {Path(own[-1].filename).relative_to(self._folder)}:{own[-1].lineno}" if own else ""
        return f"{type(error).__name__}: {error}{place}"


class _Clock:
    """Seconds since it was made, as far as they are the call's own; of CPU, those of ended children too."""

    __slots__ = ("_cores", "_cpu_s", "_ran_s", "_waited_s", "_wall_s")

    def __init__(self, cores: float) -> None:
        # The wall is the outermost: what is waited between two looks at the clocks must not be taken off it.
        self._wall_s = time.perf_counter()
        self._cores = cores
        self._ran_s, self._waited_s = _scheduled_s()
        self._cpu_s = _cpu_s()

    def read(self, items: int) -> Run:
        cpu_s = _cpu_s() - self._cpu_s
        ran_s, waited_s = _scheduled_s()
        wall_s = time.perf_counter() - self._wall_s
        own_s = timing.undisturbed_s(wall_s, cpu_s, ran_s - self._ran_s, waited_s - self._waited_s, self._cores)
        return Run(own_s, cpu_s, items)


def _open_schedule() -> int | None:
    try:
        return os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    except OSError:  # another system, or a kernel that does not count it
        return None


_SCHEDULE = _open_schedule()


def _scheduled_s() -> tuple[float, float]:
    """How long this thread has run, and waited in line for a CPU."""
    if _SCHEDULE is None:
        return 0.0, 0.0
    ran_ns, waited_ns = os.pread(_SCHEDULE, 64, 0).split()[:2]
    return int(ran_ns) / 1e9, int(waited_ns) / 1e9


def _cpu_s() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def _walls(runs: list[Run]) -> list[float]:
    return [run.wall_s for run in runs]
