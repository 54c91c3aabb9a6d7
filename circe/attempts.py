"""Jobs through user code until they are done or given up: runs them, tries again, heeds what the parent says.

What ends a process is counted by the process's parent; its note (`runtime.charges`) is looked at before every job.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import cast

from circe.appetite import Appetite
from circe.call import Call, Failure
from circe.carrying import Carried, Carrying
from circe.job import Job
from circe.objects import TaskObjects
from circe.outputs import Output
from circe.printing import about
from circe.retries import Retries, Retry
from circe.runner import runner_for
from circe.sorting import Member
from runtime.charges import decode_charges
from runtime.graph import Task
from runtime.reference import Payload
from runtime.slot import Slots

logger = logging.getLogger(__name__)

Done = tuple[Job, list[Output[Payload]], float]
"""A job, what came out of it, and the seconds it took."""


class Attempts:
    """All jobs of one worker that user code has yet to finish."""

    def __init__(
        self,
        call: Call,
        task: Task,
        slots: Slots,
        objects: TaskObjects,
        *,
        on_done: Callable[[list[Done]], None],
        on_given_up: Callable[[Job, Failure, int], None],
    ) -> None:
        """`on_given_up` gets a job, its last error, and how often it was tried."""
        self._slots = slots
        self._on_done = on_done
        self._on_given_up = on_given_up
        self._loop = asyncio.get_running_loop()
        self._runner = Carrying(lambda take: runner_for(call, take, slots, task.timeout_s), self._take, call, objects)
        self._retries = Retries(task.retries)
        self._gathers = task.gather is not None
        self._running = 0
        self._sorting = 0
        """Of those running, items of a gather without a group: they give nothing, whatever groups give."""
        self._appetite = Appetite()
        self._note_version = 0
        self.errors = 0

    @property
    def room(self) -> int:
        """How many jobs it is worth to hand over now."""
        at_work = self._running - self._sorting - self._runner.fetching
        return max(0, min(self.places, self._appetite.jobs(at_work)))

    @property
    def places(self) -> int:
        """The same for jobs that give nothing."""
        return self._runner.limit - self._running + self._runner.fetching

    def run(self, jobs: Sequence[Job]) -> None:
        """Take jobs; an item that has ended too many processes does not run again."""
        self._hear()
        admitted = self._admitted(jobs) if self._retries.has_charges else jobs
        if admitted:
            self._count(admitted, 1)
            self._runner.submit(admitted)

    def _admitted(self, jobs: Sequence[Job]) -> list[Job]:
        """Those that run as usual; the others run alone, or are given up."""
        admitted = []
        for job in jobs:
            charge = self._retries.charge(job)
            if charge is None:
                admitted.append(job)
            elif self._retries.is_over(charge):
                self._give_up(job, Failure(charge.error, charge.traceback), charge.attempts)
            else:
                self._count([job], 1)
                self._runner.submit_alone(job)
        return admitted

    def _count(self, jobs: Sequence[Job], sign: int) -> None:
        self._running += sign * len(jobs)
        if self._gathers:
            self._sorting += sign * sum([isinstance(job, Member) for job in jobs])

    def reject(self, job: Job, reason: str) -> None:
        """What came out of the job cannot be used."""
        self._give_up(job, Failure(reason, ""), self._retries.forget(job) + 1)

    def forget(self, jobs: Iterable[Job]) -> None:
        """What came out of the jobs was used."""
        self._retries.forget_all(jobs)

    def _hear(self) -> None:
        version = self._slots.note_version
        if version == self._note_version:
            return
        note = self._slots.note()
        if note is None:  # it is being written
            return
        self._note_version = version
        try:
            self._retries.hear(decode_charges(note))
        except ValueError as error:
            logger.warning("refused a note: %s", error)

    def _take(self, outcomes: list[Carried]) -> None:
        self._count([job for job, _, _ in outcomes], -1)
        done: list[Done] = []
        for outcome in outcomes:
            job, outputs, _ = outcome
            if isinstance(outputs, Failure):
                self._failed(job, outputs)
            else:
                done.append(cast(Done, outcome))
        sizes_bytes = [
            sum([len(output.payload) for output in outputs])
            for job, outputs, _ in done
            if not (self._gathers and isinstance(job, Member))
        ]
        self._appetite.gave(sizes_bytes)
        self._on_done(done)

    def _failed(self, job: Job, failed: Failure) -> None:
        """Try again with back-off, then give the item up."""
        self.errors += 1
        next_try = self._retries.failed(job)
        if isinstance(next_try, Retry):
            with about(job.item_id):
                logger.warning("try %d of item %s: %s", next_try.tries, job.item_id, failed.error)
            # In its pause it takes nobody's place: others run meanwhile.
            self._loop.call_later(next_try.pause_s, self._again, job)
        else:
            self._give_up(job, failed, next_try.attempts)

    def _again(self, job: Job) -> None:
        self._count([job], 1)
        self._runner.submit([job])

    def _give_up(self, job: Job, failed: Failure, attempts: int) -> None:
        with about(job.item_id):
            logger.warning("item %s is a dead letter after %d attempts: %s", job.item_id, attempts, failed.error)
        self._runner.discard(job)
        self._on_given_up(job, failed, attempts)

    async def close(self) -> None:
        await self._runner.close()
