"""The shell `circe.endings` in the model check: how a job ends when another attempt may have come to another end.

What it rests for is taken as granted here: a failure that is not the first attempt's is decided when no older attempt
is anywhere. What it looks up it looks up by `circe.earlier`, in streams made of the world's stores.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from typing import TYPE_CHECKING, Any, cast

from circe.earlier import Earlier
from circe.job import Job
from circe.letters import letter_headers
from circe.origins import Known
from circe.outputs import Output
from runtime import subjects
from runtime.bus import Bus
from runtime.item import Frame
from runtime.message import StoredMessage
from runtime.network import HOME

if TYPE_CHECKING:
    from tests.unit.circe.protocol_world import Process, World

APP = "model"


class Streams:
    """The stores of a world, as `circe.earlier` reads them."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def last_message(self, stream: str, subject: str) -> StoredMessage | None:
        _, _, kind, task, item_id = subject.split(".", 4)
        headers = {"dead": self._letter, "put": self._result, "queue": self._queued}[kind](task, item_id)
        return None if headers is None else StoredMessage(subject, b"", headers, 1, 0.0)

    def _letter(self, task: str, item_id: str) -> dict[str, str] | None:
        root = self._world.letters.get((task, item_id))
        return None if root is None else letter_headers(task, item_id, root, 0)

    def _result(self, task: str, item_id: str) -> dict[str, str] | None:
        return self._stored(self._world.egress.get((task, item_id)), (HOME, task, item_id))

    def _queued(self, task: str, item_id: str) -> dict[str, str] | None:
        return self._stored(self._world.queues[task].origin_of(item_id), (task, task, item_id))

    def _stored(self, origin: int | None, name: tuple[str, str, str]) -> dict[str, str] | None:
        if origin is None:
            return None
        return {subjects.INPUT_HEADER: str(origin), subjects.OUTPUTS_HEADER: self._world.outputs[name]}


def earlier(world: World, task: str) -> Earlier:
    return Earlier(cast(Bus, Streams(world)), APP, world.graph, task)


def now(work: Coroutine[Any, Any, bool]) -> bool:
    """What it comes to; it never waits."""
    try:
        work.send(None)
    except StopIteration as end:
        return bool(end.value)
    raise AssertionError("there is nothing to wait for")


def has_letter(world: World, task: str, job: Job) -> bool:
    return now(earlier(world, task).has_letter(job))


def has_ended(world: World, task: str, job: Job) -> bool:
    return now(earlier(world, task).has_ended(job))


def decide(world: World, process: Process, job: Job, outputs: list[Output[bytes]] | None) -> bool:
    """Try to decide how a job ends; whether it is decided."""
    flow, task = process.flow, process.task
    if flow.lets_go(job):
        return True
    if not flow.is_first(job):
        return False
    if outputs is not None:
        if has_letter(world, task, job):
            flow.ended_before(job)
        else:
            process.results += flow.done(job, outputs)
        return True
    known = ask(world, job)
    if known is None or (job.has_rivals and has_older(world, process, job)):
        return False
    if known.is_newer_than(job.attempt):
        flow.superseded(job)
    elif job.has_rivals and (has_letter(world, task, job) or has_ended(world, task, job)):
        flow.ended_before(job)
    else:
        world.letters[task, job.item_id] = job.root
        flow.dead(job)
    return True


def ask(world: World, job: Job) -> Known | None:
    """What the job's head says, which must not be one that is replaced: those end (`circe.fence`)."""
    named = world.edges().heads.values()
    head = next((head for head in world.heads() if head.incarnation == job.head and head.incarnation in named), None)
    return None if head is None else Known(head.attempt(job.root), None)


def has_older(world: World, process: Process, job: Job) -> bool:
    """Whether an older attempt at the job's root is somewhere."""
    mine = (world.names[job.head], job.root)
    for head, root, attempt in _everywhere(world, job):
        if (world.names[head], root) == mine and (head != job.head or attempt < job.attempt):
            return True
    return False


def _everywhere(world: World, job: Job) -> Iterator[tuple[str, int, int]]:
    for each in world.processes.values():
        yield from ((one.head, one.root, one.attempt) for one in each.flow._open.values() if one is not job)
        yield from each.flow._outbox.held()
    for head in world.heads():
        yield from head._outbox.held()
    for _, message in world.net:
        if isinstance(message, Frame):
            yield from ((message.head, part.root, part.attempt) for part in message.parts)
