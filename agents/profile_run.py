"""One run of the profiler's child over an application: its process, its protocol, and how it may fail."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents import codepath, owner
from agents.cgroups import Cgroup
from agents.words import ended
from runtime import children
from runtime.app import App

BUDGET_S = 0.4
DEADLINE_S = 60.0
STDERR_TAIL_BYTES = 2000
PREFIX = "profiling-"
COMMAND = (sys.executable, "-P", "-m", "agents.profile_child")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one task: its numbers, or why there are none."""

    task: str
    numbers: dict[str, Any]
    error: str = ""


Take = Callable[[Answer], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRun:
    """How to measure: `budget_s` of calls a task, at most `deadline_s` for any one of them."""

    node: str
    scratch: Path
    cores: float = 1.0
    cgroup: Cgroup | None = None
    budget_s: float = BUDGET_S
    deadline_s: float = DEADLINE_S

    async def measure(self, app: App, folder: Path, take: Take) -> None:
        """Give every task's answer to `take` as it comes. User code works on a copy that is thrown away."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        owner.sweep(self.scratch, PREFIX)
        mine = f"{PREFIX}{owner.mark()}-"
        with tempfile.TemporaryDirectory(prefix=mine, dir=self.scratch, ignore_cleanup_errors=True) as place:
            copy = Path(place, "app")
            await asyncio.to_thread(shutil.copytree, folder, copy)
            async with self._child() as child:
                await child.serve(self, app, copy, take)

    @contextlib.asynccontextmanager
    async def _child(self) -> AsyncIterator[_Child]:
        pipe = asyncio.subprocess.PIPE
        process = await children.spawn(
            COMMAND, env=codepath.environment(), cwd="/", stdin=pipe, stdout=pipe, stderr=pipe
        )
        child = _Child(process)
        try:
            yield child
        finally:
            children.kill(process)  # and whatever user code started
            await process.wait()
            await child.close()


class _Child:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin and process.stdout and process.stderr
        self._process = process
        self._asks = process.stdin
        self._says = process.stdout
        self._tail = b""
        self._reader = asyncio.create_task(self._read_stderr(process.stderr), name="profiler's stderr")

    async def serve(self, run: ProfileRun, app: App, folder: Path, take: Take) -> None:
        """The protocol of `agents.profile_child`; tasks without an answer get one that says why."""
        waiting = list(app.graph.order)
        at_work = ""
        try:
            await self._line(run.deadline_s)
            await self._ask(app, folder, run)
            while waiting:
                said = await self._line(run.deadline_s)
                at_work = said.get("begin", at_work)
                if "task" in said:
                    waiting.remove(said["task"])
                    await take(Answer(said.pop("task"), said, said.get("error", "")))
        except _EndedError as end:
            for task in waiting:
                await take(Answer(task, {}, str(end) if task == at_work else _unreached(at_work, end)))

    async def close(self) -> None:
        """Free the pipes, also when a process that user code started still holds their other ends."""
        self._asks.close()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        self._process._transport.close()  # type: ignore[attr-defined] # asyncio offers no other way

    async def _ask(self, app: App, folder: Path, run: ProfileRun) -> None:
        request = {
            "app": app.to_record(),
            "folder": str(folder),
            "node": run.node,
            "cores": run.cores,
            "budget_s": run.budget_s,
        }
        try:
            # Only now, because under a small quota our own imports would take seconds.
            if run.cgroup is not None:
                run.cgroup.add(self._process.pid)
            self._asks.write(json.dumps(request).encode() + b"\n")
            await self._asks.drain()
        except OSError as error:
            raise _EndedError(await self._how_it_ended()) from error

    async def _line(self, deadline_s: float) -> dict[str, Any]:
        try:
            async with asyncio.timeout(deadline_s):
                line = await self._says.readline()
        except TimeoutError:
            raise _EndedError(f"took longer than {deadline_s:g} s on its sample input") from None
        if not line:
            raise _EndedError(await self._how_it_ended())
        said: dict[str, Any] = json.loads(line)
        return said

    async def _how_it_ended(self) -> str:
        status = await self._process.wait()
        await asyncio.wait({self._reader}, timeout=0.2)
        last = self._tail.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return f"ended its process on its sample input: {ended(status)}" + (f" ({last})" if last else "")

    async def _read_stderr(self, stderr: asyncio.StreamReader) -> None:
        while data := await stderr.read(4096):
            self._tail = (self._tail + data)[-STDERR_TAIL_BYTES:]


class _EndedError(Exception):
    """The child says nothing more; why, as a sentence about the task at work."""


def _unreached(culprit: str, end: _EndedError) -> str:
    if not culprit:
        return f"not measured, because the profiler's process {end}"
    return f"not measured, because profiling ended at task '{culprit}'"
