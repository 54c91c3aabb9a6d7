"""How a job ends where another attempt may have come to another end, and how it becomes a dead letter.

User code may fail for an item at one time and not at another. What is stored first holds: a job whose item has a dead
letter gives nothing, and one that fails although all that comes of its item is stored becomes none. For that the ends
of the attempts at one item are decided one after the other: within this process by waiting, between processes by asking
the head which attempt counts, and with a rest in which the others hear of that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import NamedTuple

from circe import travel
from circe.burial import Burial
from circe.call import Failure
from circe.earlier import Earlier
from circe.flow import Flow
from circe.job import Job
from circe.letters import Inputs, Origin, dead_letter, letter_headers
from circe.origins import ask
from circe.replay import origin_of
from circe.sorting import Member
from runtime import subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.bus_errors import BusClosed, BusFault

logger = logging.getLogger(__name__)

REST_S = 2.0
"""For so long a failure waits before it looks for what older attempts elsewhere came to: with two beats they have heard
from the head that they are old, and look for its letter before they give anything."""
LOOK_S = 0.05
PAUSE_S = 1.0


class Failed(NamedTuple):
    """What a dead letter tells."""

    inputs: Inputs
    failure: Failure
    attempts: int


class Endings:
    """Of the jobs of one task."""

    def __init__(
        self,
        bus: Bus,
        app: App,
        task: str,
        node: str,
        flow: Flow,
        *,
        on_buried: Callable[[Job], None],
        on_ended: Callable[[Job], None],
        on_superseded: Callable[[Job], None],
    ) -> None:
        """One of the three is called for every job that is buried: the letter is stored; another attempt has ended the
        item; another attempt counts instead."""
        self._bus = bus
        self._app = app.name
        self._task = task
        self._node = node
        self._flow = flow
        self._earlier = Earlier(bus, app.name, app.graph, task)
        self._on_buried = on_buried
        self._on_ended = on_ended
        self._on_superseded = on_superseded
        self.fault = ""
        """Why a job has no end here and never will, which nobody foresaw: its head sends it again once we are gone."""
        self._burial = Burial(bus)
        self._background: set[asyncio.Task[None]] = set()

    def waiting(self) -> dict[str, float]:
        """How many dead letters wait to be stored."""
        return {"letters_waiting": float(self._burial.waiting)}

    def give(self, job: Job, give: Callable[[], None]) -> None:
        """User code has returned, but the job has rivals: `give` what came out unless the item is a dead letter."""
        self._later(self._give(job, give))

    def bury(self, job: Job, failed: Failed) -> None:
        """Store a dead letter, however long it takes."""
        self._later(self._bury(job, failed))

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._decided)

    def _decided(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, BusClosed):  # then everything ends
            logger.error("how an item ends cannot be decided", exc_info=error)
            self.fault = f"how an item ends cannot be decided ({type(error).__name__}: {error}): ending"

    async def _give(self, job: Job, give: Callable[[], None]) -> None:
        await self._until_first(job)
        match await self._known(job, self._earlier.has_letter):
            case True:
                self._on_ended(job)
            case False:
                give()
            case None:
                self._on_superseded(job)

    async def _bury(self, job: Job, failed: Failed) -> None:
        await self._until_first(job)
        has_rested = False
        while not job.is_over:
            known = await ask(self._bus, self._app, job.head, job.root)
            if known is None:  # once it is back, or another has its queue, this attempt may count no more
                await asyncio.sleep(PAUSE_S)
                continue
            if known.is_newer_than(job.attempt):
                break
            if job.has_rivals and not has_rested:  # only the attempt that counts: there may be many before it
                has_rested = True
                await asyncio.sleep(REST_S)
                continue
            ended = await self._known(job, self._has_ended) if job.has_rivals else False
            if ended is None:
                break
            if ended:
                self._on_ended(job)
                return
            if await self._store(job, failed, known.origin):
                self._on_buried(job)
                return
        self._on_superseded(job)

    async def _until_first(self, job: Job) -> None:
        """What this process has of older attempts is decided first."""
        while not self._flow.is_first(job):  # noqa: ASYNC110 - the older one may end in many ways
            await asyncio.sleep(LOOK_S)

    async def _has_ended(self, job: Job) -> bool:
        if await self._earlier.has_letter(job):
            return True
        return not isinstance(job, Member) and await self._earlier.has_ended(job)

    async def _known(self, job: Job, look: Callable[[Job], Awaitable[bool]]) -> bool | None:
        """The answer, however long it takes; None once nobody waits for the job any more."""
        while not job.is_over:
            try:
                found = await look(job)
            except BusFault as error:
                logger.warning("what became of %s before is not known yet: %s", job.item_id, error)
                await asyncio.sleep(PAUSE_S)
            else:
                return None if job.is_over else found
        return None

    async def _store(self, job: Job, failed: Failed, origin: Origin | None) -> bool:
        """Whether the letter is stored, however long that takes; not when another attempt counts meanwhile."""
        sequence = origin_of(job.root, job.headers)
        letter = dead_letter(
            self._task,
            job.item_id,
            sequence,
            failed.inputs,
            failed.failure.error,
            traceback=failed.failure.traceback,
            attempts=failed.attempts,
            node=self._node,
            origin=origin,
            limit_bytes=travel.limit_bytes(self._bus.link.max_payload_bytes),
        )
        headers = letter_headers(self._task, job.item_id, job.root, sequence)
        subject = subjects.dead(self._app, self._task, job.item_id)
        return await self._burial.store(subject, letter, headers, job.item_id, lambda: job.is_moot)

    async def close(self) -> None:
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
