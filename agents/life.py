"""One worker from its start to its end: fetched, started, watched over, judged, and said to be gone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from agents import codepath
from agents.bundles import Bundles
from agents.cgroups import Cgroup
from agents.guard import Guard, Ward
from agents.ledger import Ledger
from agents.plan import Running
from agents.verdict import INNOCENT, Verdict
from agents.words import ended
from runtime import children, codec, credentials, subjects
from runtime.bus import Bus
from runtime.errors import JupiterError, TransportError
from runtime.graph import Task
from runtime.records import GONE, Beat, DesiredWorker

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What every worker of an agent is run with."""

    bus: Bus
    url: str
    bundles: Bundles
    cgroup: Cgroup | None
    command: tuple[str, ...]
    echo: Callable[[str], None]
    scratch: Path
    """Where workers may keep large items as files, a folder each."""


class Life:
    """See the module. `run` it once."""

    def __init__(self, means: Means, wanted: DesiredWorker, incarnation: str, started_s: float, ledger: Ledger) -> None:
        """`ledger` is what is held against items of this kind of worker; it is shared with its siblings."""
        self.wanted = wanted
        self.incarnation = incarnation
        self.started_s = started_s
        self.is_stopping = False
        self.process: asyncio.subprocess.Process | None = None
        self.verdict = INNOCENT
        self.message = "it was stopped before it had started"
        self._means = means
        self._ledger = ledger
        self._scratch = means.scratch / incarnation
        self._guard: Guard | None = None

    def running(self) -> Running:
        return Running(
            app=self.wanted.app,
            task=self.wanted.task,
            digest=self.wanted.digest,
            incarnation=self.incarnation,
            is_stopping=self.is_stopping,
        )

    async def run(self) -> None:
        """Until the process has ended; `message` and `verdict` say how."""
        try:
            bundle = await self._means.bundles.get(self.wanted.digest)
            guard = self._guard = self._watched_over(bundle.app.graph.tasks.get(self.wanted.task))
            try:
                self.process = await self._spawn(guard)
            finally:
                guard.started()
            if self.is_stopping:
                children.kill(self.process)
            await self._until_ended(guard, self.process)
            self._guard = None
        except (JupiterError, OSError) as error:
            self.message = f"it could not be started: {error}"
        finally:
            if self._guard is not None:
                self._guard.close()
            # One that was killed leaves its files.
            await asyncio.to_thread(shutil.rmtree, self._scratch, ignore_errors=True)

    def tell(self) -> None:
        """Let the process know what the ledger holds now."""
        if self._guard is not None:
            self._guard.slots.tell(self._ledger.note())

    def _watched_over(self, task: Task | None) -> Guard:
        wanted = self.wanted
        subject = subjects.log(wanted.app, wanted.task)
        ward = Ward(
            task=wanted.task,
            node=wanted.node,
            timeout_s=None if task is None else task.timeout_s,
            publish=lambda line: self._means.bus.publish(subject, line),
            echo=self._means.echo,
        )
        guard = Guard(ward)
        guard.slots.tell(self._ledger.note())
        return guard

    async def _spawn(self, guard: Guard) -> asyncio.subprocess.Process:
        wanted = self.wanted
        arguments = {
            "server": self._means.url,
            "app": wanted.app,
            "task": wanted.task,
            "node": wanted.node,
            "incarnation": self.incarnation,
            "bundle": str(self._means.bundles.cache),
            "digest": wanted.digest,
            "scratch": str(self._scratch),
            "epoch": str(wanted.epoch),
            "slots": str(guard.descriptor),
        }
        argv = [*self._means.command, *(part for name, value in arguments.items() for part in (f"--{name}", value))]
        process = await children.spawn(
            argv,
            env=codepath.environment() | credentials.of_worker(wanted.app),
            stdout=guard.output.descriptor,
            stderr=guard.output.descriptor,
            pass_fds=(guard.descriptor,),
            before_exec=self._means.cgroup.before_exec if self._means.cgroup is not None else None,
        )
        logger.info("started worker %s of %s as process %d", self.incarnation, wanted.app, process.pid)
        return process

    async def _until_ended(self, guard: Guard, process: asyncio.subprocess.Process) -> None:
        watching = asyncio.create_task(guard.watch(process, self._speak), name=f"watch {self.incarnation}")
        try:
            status = await process.wait()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        self.verdict, stack = guard.judge(status)
        self._ledger.take(self.verdict, stack)
        self.message = self._sentence(self.verdict, status)

    def _sentence(self, verdict: Verdict, status: int) -> str:
        if len(verdict.guilty) == 1 and not verdict.is_doubtful:
            (call,) = verdict.guilty
            return f"{verdict.error}, in item {call.item_id} (attempt {self._ledger.attempts(call)})"
        if verdict.had_left:
            return f"{verdict.error}, after item {verdict.guilty[0].item_id} had left it"
        items = len(verdict.guilty or verdict.suspects)
        return f"{verdict.error}, with {items} item{'s'[: items != 1]} in work" if items else ended(status)

    async def _last_beat(self) -> Beat | None:
        subject = subjects.status(self.wanted.app, self.wanted.task, self.incarnation)
        last = await self._means.bus.last_message(subjects.STATUS_STREAM, subject, timeout_s=0.0)
        if last is None or not last.payload:
            return None
        return Beat.from_record(codec.decode_record(last.payload))

    async def _put(self, beat: Beat) -> None:
        subject = subjects.status(beat.app, beat.task, beat.incarnation)
        await self._means.bus.put_record(subject, codec.encode_record(beat.to_record()))

    async def _speak(self) -> bool:
        """The worker's last beat again: it lives, but its code keeps the interpreter to itself."""
        with contextlib.suppress(TransportError, ValueError, KeyError, TypeError):
            beat = await self._last_beat()
            if beat is not None and beat.state != GONE:
                await self._put(replace(beat, is_spoken_for=True))
                return True
        return False

    async def say_gone(self) -> None:
        """The worker's last beat once more, so that what it counted and complained of stays to be read."""
        wanted = self.wanted
        gone = Beat(
            app=wanted.app,
            task=wanted.task,
            incarnation=self.incarnation,
            node=wanted.node,
            state=GONE,
            digest=wanted.digest,
            epoch=wanted.epoch,
            message=self.message,
        )
        try:
            with contextlib.suppress(TransportError, ValueError, KeyError, TypeError):
                beat = await self._last_beat()
                if beat is not None:
                    gone = replace(beat, state=GONE, message=beat.message or self.message, holds=(), waits=())
            await self._put(gone)
        except TransportError as error:
            logger.warning("nobody heard that worker %s is gone: %s", self.incarnation, error)
