"""Runs this node's workers: the shell around `agents.plan`.

Follows what the dispatcher wants of this node and to whom the senders send, and starts and stops worker processes
accordingly. What items have done to processes is remembered here, for the processes that come after.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

from agents.bundles import Bundles
from agents.cgroups import Cgroup
from agents.echo import Echo
from agents.ledger import Ledger
from agents.life import Life, Means
from agents.plan import Backoff, Kind, Place, Start, Stop, pause_s, plan
from runtime import children
from runtime.bus import Bus
from runtime.records import DesiredWorker, EdgeRecord

logger = logging.getLogger(__name__)

GRACE_S = 30.0
"""What a worker may take to finish what it holds. Its heads send again what it does not finish."""


class Executor:
    """The workers of one node. Feed it records, then `run` it; `drain` ends them all."""

    def __init__(
        self,
        bus: Bus,
        url: str,
        bundles: Bundles,
        *,
        new_id: Callable[[], str],
        scratch: Path,
        cgroup: Cgroup | None = None,
        grace_s: float = GRACE_S,
        command: tuple[str, ...] = (sys.executable, "-P", "-m", "circe", "worker"),
    ) -> None:
        """`new_id` gives eight hexadecimal digits that were never given before."""
        self._means = Means(
            bus=bus, url=url, bundles=bundles, cgroup=cgroup, command=command, echo=Echo().say, scratch=scratch
        )
        self._new_id = new_id
        self._grace_s = grace_s
        self._clock = asyncio.get_running_loop().time
        self._desired: dict[Place, DesiredWorker] = {}
        self._edges: dict[str, EdgeRecord] = {}
        self._workers: dict[str, Life] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._backoffs: dict[Kind, Backoff] = {}
        self._ledgers: dict[Kind, Ledger] = {}
        self._wake = asyncio.Event()
        self._lives: set[asyncio.Task[None]] = set()

    def desire(self, place: Place, worker: DesiredWorker | None) -> None:
        """What the dispatcher wants at a place of this node now; None for nothing."""
        if worker is None:
            self._desired.pop(place, None)
            self._backoffs = {kind: each for kind, each in self._backoffs.items() if kind[:2] != place}
            self._ledgers = {kind: each for kind, each in self._ledgers.items() if kind[:2] != place}
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

    def processes(self) -> list[tuple[str, int]]:
        """The workers that run now, as (application, process id)."""
        return [(life.wanted.app, life.process.pid) for life in self._workers.values() if life.process is not None]

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
        ledger = self._ledgers.setdefault((wanted.app, wanted.task, wanted.digest), Ledger())
        life = Life(self._means, wanted, f"{wanted.task}-{self._new_id()}", self._clock(), ledger)
        self._workers[life.incarnation] = life
        self._tasks[life.incarnation] = self._keep(self._live(life), f"worker {life.incarnation}")

    def _stop(self, life: Life) -> None:
        if life.is_stopping:
            return
        life.is_stopping = True
        if life.process is not None:
            logger.info("stopping worker %s", life.incarnation)
            self._keep(self._end(life.process), f"stop {life.incarnation}")
        else:
            self._tasks[life.incarnation].cancel()

    def _keep(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._lives.add(task)
        task.add_done_callback(self._lives.discard)
        return task

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        await children.stop(process, self._grace_s)

    async def _live(self, life: Life) -> None:
        try:
            await life.run()
        finally:
            self._bury(life)
        await life.say_gone()

    def _bury(self, life: Life) -> None:
        del self._workers[life.incarnation], self._tasks[life.incarnation]
        kind = life.running().kind
        if life.verdict.is_known:
            # Before the heads send again: who gets the item next has to know. The rest is innocent and does not wait.
            for sibling in self._workers.values():
                if sibling.running().kind == kind:
                    sibling.tell()
        elif not life.is_stopping:
            now_s = self._clock()
            backoff = self._backoffs.get(kind, Backoff())
            self._backoffs[kind] = backoff.after_crash(lived_s=now_s - life.started_s, now_s=now_s)
        if not life.is_stopping:
            logger.warning("worker %s of %s: %s", life.incarnation, life.wanted.app, life.message)
        self._wake.set()
