"""Around a runner of user code: jobs whose inputs lie in the object store come to it once they are fetched, and
outcomes too big for messages leave when they are stored.

Only so many jobs have files here at a time, and while outputs wait for the store user code rests: what is on disk
stays bounded. Everything else goes straight through.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

from circe.call import Call, Failure, Outcome
from circe.job import Job
from circe.objects import TaskObjects
from circe.outputs import Output
from circe.runner import Runner
from runtime.bus_errors import BusClosed
from runtime.object_files import ObjectError
from runtime.reference import Payload, Reference

logger = logging.getLogger(__name__)

MOST_FETCHED = 2
"""Jobs with fetched files: one in user code, one to come."""
MOST_PUTTING = 2
"""Jobs whose outputs are on their way into the store before user code rests."""

Carried = tuple[Job, list[Output[Payload]] | Failure, float]
"""A job, what came out of it as it can travel, and the seconds that user code took."""


def has_reference(job: Job) -> bool:
    """Whether something must be fetched first."""
    inputs = job.inputs
    if type(inputs) is dict:
        return any(type(payload) is Reference for payload in inputs.values())
    return type(inputs) is Reference


class Carrying:
    """See the module."""

    def __init__(
        self,
        runner: Callable[[Callable[[list[Outcome]], None]], Runner],
        on_carried: Callable[[list[Carried]], None],
        call: Call,
        objects: TaskObjects,
    ) -> None:
        """`runner` makes the one inside."""
        self._inner = runner(self._take)
        self._on_carried = on_carried
        self._call = call
        self._objects = objects
        self._room = asyncio.Semaphore(MOST_FETCHED)
        self._fetched: set[int] = set()
        """Jobs (by id) that hold a place of the room."""
        self.fetching = 0
        """Jobs that are not in user code's way yet."""
        self._putting = 0
        self._background: set[asyncio.Task[None]] = set()
        self.limit = self._inner.limit

    def submit(self, jobs: Sequence[Job]) -> None:
        """Run them."""
        ready = [job for job in jobs if type(job.inputs) is bytes or not has_reference(job)]
        if ready:
            self._inner.submit(ready)
        if len(ready) < len(jobs):
            for job in jobs:
                if has_reference(job):
                    self._later(self._fetch(job, lambda job=job: self._inner.submit([job])))  # type: ignore[misc] # mypy cannot infer a lambda's default

    def submit_alone(self, job: Job) -> None:
        """Run it while nothing else is in work."""
        if has_reference(job):
            self._later(self._fetch(job, lambda: self._inner.submit_alone(job)))
        else:
            self._inner.submit_alone(job)

    async def _fetch(self, job: Job, then: Callable[[], None]) -> None:
        self.fetching += 1
        try:
            fault = await self._fault(job)
        except BusClosed:
            return  # on our way out
        finally:
            self.fetching -= 1
        if fault is None:
            then()
        else:
            self._on_carried([(job, fault, 0.0)])

    async def _fault(self, job: Job) -> Failure | None:
        """Fetch; why that cannot be."""
        if id(job) not in self._fetched:
            await self._room.acquire()
            self._fetched.add(id(job))
        try:
            if fault := self._call.size_fault(job):
                raise ObjectError(fault)
            await self._objects.fetch(job)
        except BusClosed:
            raise
        except Exception as error:
            return _failure(error)
        return None

    def _take(self, outcomes: list[Outcome]) -> None:
        limit_bytes = self._objects.limit_bytes
        passing: list[Carried] = []
        for outcome in outcomes:
            if _travels(outcome, limit_bytes):
                passing.append(cast(Carried, outcome))
            else:
                self._later(self._put(outcome.job, outcome))
        if self._fetched:
            for job, outputs, _ in passing:
                if not isinstance(outputs, Failure):
                    self.discard(job)
        if passing:
            self._on_carried(passing)

    async def _put(self, job: Job, outcome: Outcome) -> None:
        self._putting += 1
        if self._putting == MOST_PUTTING:
            self._inner.rest()
        carried: list[Output[Payload]] | Failure
        try:
            assert not isinstance(outcome.outputs, Failure)
            carried = await self._objects.put(job, outcome.outputs)
        except BusClosed:
            return
        except Exception as error:
            carried = _failure(error)
        finally:
            self._putting -= 1
            if self._putting == MOST_PUTTING - 1:
                self._inner.go_on()
        if not isinstance(carried, Failure):
            self.discard(job)
        self._on_carried([(job, carried, outcome.busy_s)])

    def discard(self, job: Job) -> None:
        """The job is done with: its files go."""
        if id(job) in self._fetched:
            self._fetched.discard(id(job))
            self._room.release()
        if job.folder is not None or job.scratch is not None:
            self._later(self._objects.discard(job))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def close(self) -> None:
        """What is on its way is given up: its heads send it again."""
        await self._inner.close()
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)


def _travels(outcome: Outcome, limit_bytes: int) -> bool:
    """Whether all of it fits into messages as it is. Once per item on the hot path, so it is spelled out."""
    outputs = outcome.outputs
    if isinstance(outputs, Failure):
        return True
    for output in outputs:  # noqa: SIM110 - a generator costs three times as much
        if type(output.payload) is not bytes or len(output.payload) > limit_bytes:
            return False
    return True


def _failure(error: Exception) -> Failure:
    """What came between the store and the item. Whatever it is, it must not hold the item for ever."""
    if not isinstance(error, (ObjectError, OSError)):
        logger.error("an item could not be carried", exc_info=error)
    return Failure(str(error) or type(error).__name__, "")
