"""Results and dead letters into their streams, each stored once or tried until it is.

Results go to the egress or to the queue of a child. A subject there holds one message for as long as it could come
again: `Nats-Expected-Last-Subject-Sequence: 0` makes the server refuse an id that it holds (10071). The same input's
result counts as stored; another input's is a conflict.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence

from circe import travel
from circe.call import Failure
from circe.flow import Job, Result
from circe.letters import Inputs, dead_letter, letter_headers
from circe.origins import ask
from circe.replay import origin_of
from runtime import subjects
from runtime.bus import Bus
from runtime.bus_errors import BusFault, WrongLastSequence
from runtime.message import Outgoing, PubAck
from runtime.network import HOME
from runtime.reference import Reference

logger = logging.getLogger(__name__)

ONCE = {"Nats-Expected-Last-Subject-Sequence": "0"}
STORE_DEADLINE_S = 5.0
FIRST_RETRY_S = 0.05
LONGEST_RETRY_S = 1.0


def store_subject(app: str, task: str, child: str, item_id: str) -> str:
    """Where an output of `task` is stored for `child`: in the egress, or in a queue."""
    return subjects.put(app, task, item_id) if child == HOME else subjects.queue(app, child, item_id)


def store_stream(app: str, child: str) -> str:
    """The stream of that."""
    return subjects.egress_stream(app) if child == HOME else subjects.queue_stream(app, child)


class Egress:
    """The way out of one task."""

    def __init__(
        self,
        bus: Bus,
        app: str,
        task: str,
        *,
        on_stored: Callable[[Result], None],
        on_refused: Callable[[Result, str], None],
    ) -> None:
        """One of the two is called for every result, once; `on_refused` with the reason why it will never be."""
        self._bus = bus
        self._app = app
        self._task = task
        self._on_stored = on_stored
        self._on_refused = on_refused
        self._background: set[asyncio.Task[None]] = set()

    def store(self, results: Sequence[Result]) -> None:
        """Store a batch in one write; `on_stored` is called for each in its own time."""
        outgoing = [self._message(result) for result in results]
        for result, future in zip(results, self._bus.store_many(outgoing, STORE_DEADLINE_S), strict=True):
            future.add_done_callback(lambda done, result=result: self._answered(result, done))  # type: ignore[misc] # mypy cannot infer a lambda's default

    def _message(self, result: Result) -> Outgoing:
        headers = {**(result.job.headers or {}), **ONCE, subjects.INPUT_HEADER: self._input(result)}
        subject, payload = store_subject(self._app, self._task, result.child, result.item_id), result.payload
        if isinstance(payload, Reference):
            return Outgoing(subject, b"", headers | payload.headers())
        return Outgoing(subject, payload, headers)

    @staticmethod
    def _input(result: Result) -> str:
        return str(origin_of(result.job.root, result.job.headers))

    def _answered(self, result: Result, done: asyncio.Future[PubAck]) -> None:
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            self._on_stored(result)
        else:
            self._later(self._settle(result, error))

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _settle(self, result: Result, error: BaseException | None) -> None:
        """Try until the result is stored, or another input's holds its id, or nobody waits for it any more."""
        message = self._message(result)
        wait_s = FIRST_RETRY_S
        while error is not None:
            if isinstance(error, WrongLastSequence):
                is_same = await self._is_same(message.subject, result)
                if is_same:
                    break
                if is_same is not None:
                    self._on_refused(result, "id already used by another input")
                    return
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_RETRY_S)
            if result.job.is_over:
                break
            error = await self._try(message.subject, message.payload, message.headers)
        self._on_stored(result)

    async def _try(self, subject: str, payload: bytes, headers: Mapping[str, str]) -> Exception | None:
        try:
            await self._bus.store(subject, payload, headers, STORE_DEADLINE_S)
        except Exception as error:
            return error
        return None

    async def _is_same(self, subject: str, result: Result) -> bool | None:
        """Whether the queue holds this input's result under this id; None when it does not say."""
        if "~" not in result.item_id:
            return True  # the id holds the sequence itself
        try:
            held = await self._bus.last_message(store_stream(self._app, result.child), subject)
        except BusFault:
            return None
        return held is None or held.headers.get(subjects.INPUT_HEADER) == self._input(result)

    def bury(
        self, job: Job, inputs: Inputs, failed: Failure, attempts: int, node: str, then: Callable[[Job], None]
    ) -> None:
        """Store a dead letter of the job on these inputs, however long it takes, then call `then`."""
        self._later(self._bury(job, inputs, failed, attempts, node, then))

    async def _bury(
        self, job: Job, inputs: Inputs, failed: Failure, attempts: int, node: str, then: Callable[[Job], None]
    ) -> None:
        subject = subjects.dead(self._app, self._task)
        origin = await ask(self._bus, self._app, job.head, job.root)
        sequence = origin_of(job.root, job.headers)
        letter = dead_letter(
            self._task,
            job.item_id,
            sequence,
            inputs,
            failed.error,
            traceback=failed.traceback,
            attempts=attempts,
            node=node,
            origin=origin,
            limit_bytes=travel.limit_bytes(self._bus.link.max_payload_bytes),
        )
        headers = letter_headers(self._task, job.item_id, job.root, sequence)
        wait_s = FIRST_RETRY_S
        while (error := await self._try(subject, letter, headers)) is not None:
            logger.warning("the dead letter of %s is not stored yet: %s", job.item_id, error)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_RETRY_S)
        then(job)

    async def close(self) -> None:
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
