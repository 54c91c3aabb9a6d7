"""Runs this node's workers: the shell around `agents.plan`.

Follows what the dispatcher wants of this node and to whom the senders send, starts and stops worker processes
accordingly, and says at once when one of them is gone, so that its heads need not wait for missing beats.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace

from agents import codepath
from agents.bundles import Bundles
from agents.cgroups import Cgroup
from agents.plan import Backoff, Kind, Place, Running, Start, Stop, pause_s, plan
from agents.words import ended
from runtime import children, codec, subjects
from runtime.bus import Bus
from runtime.errors import JupiterError, TransportError
from runtime.records import GONE, Beat, DesiredWorker, EdgeRecord

logger = logging.getLogger(__name__)

GRACE_S = 30.0
"""What a worker may take to finish what it holds. Its heads send again what it does not finish."""


@dataclass(slots=True)
class _Worker:
    wanted: DesiredWorker
    incarnation: str
    started_s: float
    is_stopping: bool = False
    process: asyncio.subprocess.Process | None = None
    life: asyncio.Task[None] | None = None

    def running(self) -> Running:
        return Running(
            app=self.wanted.app,
            task=self.wanted.task,
            digest=self.wanted.digest,
            incarnation=self.incarnation,
            is_stopping=self.is_stopping,
        )


class Executor:
    """The workers of one node. Feed it records, then `run` it; `drain` ends them all."""

    def __init__(
        self,
        bus: Bus,
        url: str,
        bundles: Bundles,
        *,
        new_id: Callable[[], str],
        cgroup: Cgroup | None = None,
        grace_s: float = GRACE_S,
        command: tuple[str, ...] = (sys.executable, "-P", "-m", "circe", "worker"),
    ) -> None:
        """`new_id` gives eight hexadecimal digits that were never given before."""
        self._bus = bus
        self._url = url
        self._bundles = bundles
        self._new_id = new_id
        self._cgroup = cgroup
        self._grace_s = grace_s
        self._command = command
        self._clock = asyncio.get_running_loop().time
        self._desired: dict[Place, DesiredWorker] = {}
        self._edges: dict[str, EdgeRecord] = {}
        self._workers: dict[str, _Worker] = {}
        self._backoffs: dict[Kind, Backoff] = {}
        self._wake = asyncio.Event()
        self._lives: set[asyncio.Task[None]] = set()

    def desire(self, place: Place, worker: DesiredWorker | None) -> None:
        """What the dispatcher wants at a place of this node now; None for nothing."""
        if worker is None:
            self._desired.pop(place, None)
            self._backoffs = {kind: each for kind, each in self._backoffs.items() if kind[:2] != place}
        else:
            self._desired[place] = worker
        self._wake.set()

    def connect(self, app: str, edges: EdgeRecord | None) -> None:
        """To whom the senders of an application send now; None when it is no more."""
        if edges is None:
            self._edges.pop(app, None)
        else:
            self._edges[app] = edges
        self._wake.set()

    async def run(self) -> None:
        """Keep running what is desired, until cancelled; called once the records that exist were fed."""
        while True:
            self._wake.clear()
            now_s = self._clock()
            self._act(now_s)
            try:
                async with asyncio.timeout(pause_s(self._backoffs.values(), now_s)):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def drain(self) -> None:
        """Stop every worker, each with its grace, and wait until they have ended; none is started any more."""
        self._desired.clear()
        for worker in self._workers.values():
            self._stop(worker)
        if self._lives:
            await asyncio.wait(self._lives)

    def _act(self, now_s: float) -> None:
        running = [worker.running() for worker in self._workers.values()]
        actions = plan(self._desired.values(), running, self._edges, self._backoffs, now_s)
        for action in actions:
            match action:
                case Start(wanted):
                    self._start(wanted)
                case Stop(incarnation):
                    self._stop(self._workers[incarnation])

    def _start(self, wanted: DesiredWorker) -> None:
        worker = _Worker(wanted, f"{wanted.task}-{self._new_id()}", self._clock())
        self._workers[worker.incarnation] = worker
        worker.life = self._keep(self._live(worker), f"worker {worker.incarnation}")

    def _stop(self, worker: _Worker) -> None:
        if worker.is_stopping:
            return
        worker.is_stopping = True
        if worker.process is not None:
            logger.info("stopping worker %s", worker.incarnation)
            self._keep(self._end(worker.process), f"stop {worker.incarnation}")
        elif worker.life is not None:
            worker.life.cancel()

    def _keep(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._lives.add(task)
        task.add_done_callback(self._lives.discard)
        return task

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        await children.stop(process, self._grace_s)

    async def _live(self, worker: _Worker) -> None:
        """One worker from its start to its end."""
        message = "it was stopped before it had started"
        try:
            await self._bundles.get(worker.wanted.digest)
            worker.process = await self._spawn(worker)
            if worker.is_stopping:
                self._keep(self._end(worker.process), f"stop {worker.incarnation}")
            message = ended(await worker.process.wait())
        except (JupiterError, OSError) as error:
            message = f"it could not be started: {error}"
        finally:
            self._bury(worker, message)
        await self._say_gone(worker, message)

    async def _spawn(self, worker: _Worker) -> asyncio.subprocess.Process:
        wanted = worker.wanted
        arguments = {
            "server": self._url,
            "app": wanted.app,
            "task": wanted.task,
            "node": wanted.node,
            "incarnation": worker.incarnation,
            "bundle": str(self._bundles.cache),
            "digest": wanted.digest,
            "epoch": str(wanted.epoch),
        }
        argv = [*self._command, *(part for name, value in arguments.items() for part in (f"--{name}", value))]
        before_exec = self._cgroup.before_exec if self._cgroup is not None else None
        process = await children.spawn(argv, env=codepath.environment(), before_exec=before_exec)
        logger.info("started worker %s of %s as process %d", worker.incarnation, wanted.app, process.pid)
        return process

    def _bury(self, worker: _Worker, message: str) -> None:
        del self._workers[worker.incarnation]
        if not worker.is_stopping:
            wanted = worker.wanted
            kind = (wanted.app, wanted.task, wanted.digest)
            now_s = self._clock()
            backoff = self._backoffs.get(kind, Backoff())
            self._backoffs[kind] = backoff.after_crash(lived_s=now_s - worker.started_s, now_s=now_s)
            logger.warning("worker %s of %s: %s", worker.incarnation, wanted.app, message)
        self._wake.set()

    async def _say_gone(self, worker: _Worker, message: str) -> None:
        """The worker's last beat once more, so that what it counted and complained of stays to be read."""
        wanted = worker.wanted
        subject = subjects.status(wanted.app, wanted.task, worker.incarnation)
        gone = Beat(
            app=wanted.app,
            task=wanted.task,
            incarnation=worker.incarnation,
            node=wanted.node,
            state=GONE,
            digest=wanted.digest,
            epoch=wanted.epoch,
            message=message,
        )
        try:
            with contextlib.suppress(TransportError, ValueError, KeyError, TypeError):
                last = await self._bus.last_message(subjects.STATUS_STREAM, subject, timeout_s=0.0)
                if last is not None and last.payload:
                    beat = Beat.from_record(codec.decode_record(last.payload))
                    gone = replace(beat, state=GONE, message=beat.message or message, holds=(), waits=())
            await self._bus.put_record(subject, codec.encode_record(gone.to_record()))
        except TransportError as error:
            logger.warning("nobody heard that worker %s is gone: %s", worker.incarnation, error)
