"""How often an item is tried, and when it is given up. Pure.

Two ways to fail count together: exceptions, which this worker has seen, and processes that the item ended, which
the worker's parent has counted (`runtime.charges`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from circe.job import Job
from runtime.charges import Charge, Key
from runtime.slot import slot_id

FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 30.0
MOST_DOUBLINGS = 30


class Retry(NamedTuple):
    """Run it again after a pause."""

    tries: int
    pause_s: float


class GiveUp(NamedTuple):
    """Make it a dead letter."""

    attempts: int


class Retries:
    """Of one worker."""

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._tries: dict[int, int] = {}
        self._charges: Mapping[Key, Charge] = {}

    def hear(self, charges: Mapping[Key, Charge]) -> None:
        """What the parent holds against items now."""
        self._charges = charges

    @property
    def has_charges(self) -> bool:
        """Whether anything is held against any item."""
        return bool(self._charges)

    def charge(self, job: Job) -> Charge | None:
        """What is held against this one."""
        return self._charges.get((job.root, slot_id(job.item_id)))

    def is_over(self, charge: Charge) -> bool:
        """Whether it has ended as many processes as it may."""
        return charge.attempts > self._retries

    def failed(self, job: Job) -> Retry | GiveUp:
        """User code raised on it."""
        tries = self._tries[id(job)] = self._tries.get(id(job), 0) + 1
        charge = self.charge(job)
        attempts = tries + (charge.attempts if charge is not None else 0)
        if attempts > self._retries:
            del self._tries[id(job)]
            return GiveUp(attempts)
        # Who may try a thousand times must not reach a power that is no number any more.
        return Retry(attempts, min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(tries - 1, MOST_DOUBLINGS)))

    def forget(self, job: Job) -> int:
        """It is done with, one way or the other; how often it had failed before."""
        return self._tries.pop(id(job), 0)

    def forget_all(self, jobs: Iterable[Job]) -> None:
        """They are done with."""
        if self._tries:
            for job in jobs:
                self.forget(job)
