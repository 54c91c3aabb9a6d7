"""Desired workers against running ones: which to start and which to stop. Pure; `agents.executor` obeys.

Level-triggered: asked again after any change, it answers what is missing now, whatever happened in between.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from runtime.records import DesiredWorker, EdgeRecord

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 10.0
HEALTHY_AFTER_S = 30.0

Place = tuple[str, str]
"""(app, task)"""
Kind = tuple[str, str, str]
"""(app, task, digest): new code does not wait for the crashes of the old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A worker process of this node."""

    app: str
    task: str
    digest: str
    incarnation: str
    is_stopping: bool = False

    @property
    def place(self) -> Place:
        return (self.app, self.task)

    @property
    def kind(self) -> Kind:
        return (self.app, self.task, self.digest)


@dataclass(frozen=True, slots=True)
class Start:
    """Start one worker of this kind."""

    worker: DesiredWorker


@dataclass(frozen=True, slots=True)
class Stop:
    """Let this worker finish what it holds, then end it."""

    incarnation: str


Action = Start | Stop


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a place that lost a worker waits for its next one."""

    delay_s: float = 0.0
    until_s: float = 0.0

    def after_crash(self, *, lived_s: float, now_s: float) -> Backoff:
        """The pause doubles with every crash and is forgotten by a worker that lived long enough."""
        doubled = FIRST_DELAY_S if lived_s >= HEALTHY_AFTER_S else max(2 * self.delay_s, FIRST_DELAY_S)
        delay_s = min(doubled, LONGEST_DELAY_S)
        return Backoff(delay_s, now_s + delay_s)


def plan(
    desired: Iterable[DesiredWorker],
    running: Iterable[Running],
    edges: Mapping[str, EdgeRecord],
    backoffs: Mapping[Kind, Backoff],
    now_s: float,
) -> list[Action]:
    """What to do now, in a fixed order: starts before stops, each by application, task and incarnation."""
    wanted = {(worker.app, worker.task): worker for worker in desired}
    alive: dict[Place, list[Running]] = defaultdict(list)
    for each in sorted(running, key=lambda found: (found.place, found.incarnation)):
        if not each.is_stopping:
            alive[each.place].append(each)
    starts: list[Action] = []
    stops: list[Action] = []
    for place in sorted(wanted.keys() | alive.keys()):
        worker = wanted.get(place)
        found = alive.get(place, [])
        if worker and backoffs.get((*place, worker.digest), Backoff()).until_s <= now_s:
            starts += [Start(worker)] * _missing(worker, found)
        stops += [Stop(each.incarnation) for each in _surplus(worker, found, edges)]
    return starts + stops


def pause_s(backoffs: Iterable[Backoff], now_s: float) -> float | None:
    """Until the next place may have its worker again, as seen by the plan made at `now_s`; None for never.

    With a later clock than the plan's, a pause that has just run out would be taken for none at all.
    """
    return min((each.until_s - now_s for each in backoffs if each.until_s > now_s), default=None)


def _missing(wanted: DesiredWorker, found: list[Running]) -> int:
    return max(0, wanted.replicas - sum(worker.digest == wanted.digest for worker in found))


def _surplus(wanted: DesiredWorker | None, found: list[Running], edges: Mapping[str, EdgeRecord]) -> list[Running]:
    """Workers nobody wants and nobody sends to: one that senders still know stays until they are switched."""
    current = [worker for worker in found if wanted and worker.digest == wanted.digest]
    free = [worker for worker in found if not _is_listed(worker, edges)]
    spare = max(0, len(current) - (wanted.replicas if wanted else 0))
    unlisted_current = [worker for worker in free if worker in current]
    return [worker for worker in free if worker not in current] + unlisted_current[:spare]


def _is_listed(worker: Running, edges: Mapping[str, EdgeRecord]) -> bool:
    record = edges.get(worker.app)
    return record is not None and worker.incarnation in record.incarnations()
