"""Results into their streams, each stored once or tried until it is.

They go to the egress or to the queue of a child. A subject there holds one message for as long as it could come
again: `Nats-Expected-Last-Subject-Sequence: 0` makes the server refuse an id that it holds (10071). The same input's
result counts as stored; another input's is a conflict.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence

from circe.job import Result
from circe.replay import origin_of
from runtime import subjects
from runtime.bus import Bus
from runtime.bus_errors import BusFault, NotPermitted, StreamFull, WrongLastSequence
from runtime.message import Outgoing, PubAck
from runtime.network import HOME
from runtime.reference import Reference

logger = logging.getLogger(__name__)

ONCE = {"Nats-Expected-Last-Subject-Sequence": "0"}
STORE_DEADLINE_S = 5.0
FIRST_RETRY_S = 0.05
LONGEST_RETRY_S = 1.0
MOST_AT_ONCE = 256
"""Of those that waited for room."""


def store_subject(app: str, task: str, child: str, item_id: str) -> str:
    """Where an output of `task` is stored for `child`: in the egress, or in a queue."""
    return subjects.put(app, task, item_id) if child == HOME else subjects.queue(app, child, item_id)


def store_stream(app: str, child: str) -> str:
    """The stream of that."""
    return subjects.egress_stream(app) if child == HOME else subjects.queue_stream(app, child)


def outputs_header(result: Result) -> str:
    """Nothing for what was returned: its id is the item's, and there is no other."""
    is_returned = result.item_id == result.job.item_id and result.of == 1
    return "" if is_returned else f"{result.of} {result.job.item_id}"


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
        self._lines: dict[str, deque[Result]] = {}
        """By queue, while it is full: what it is to take next."""

    def waiting(self) -> dict[str, float]:
        """How many results wait for room, by their queue."""
        return {f"no_room.{child}": float(len(line)) for child, line in self._lines.items()}

    def store(self, results: Sequence[Result]) -> None:
        """Store a batch in one write; `on_stored` is called for each in its own time."""
        at_once = []
        for result in results:
            if result.child in self._lines:
                self._wait(result)
            else:
                at_once.append(result)
        for result, future in zip(at_once, self._publish(at_once), strict=True):
            future.add_done_callback(lambda done, result=result: self._answered(result, done))  # type: ignore[misc] # mypy cannot infer a lambda's default

    def _publish(self, results: Sequence[Result]) -> list[asyncio.Future[PubAck]]:
        return self._bus.store_many([self._message(result) for result in results], STORE_DEADLINE_S)

    def _message(self, result: Result) -> Outgoing:
        headers = {**(result.job.headers or {}), **ONCE, subjects.INPUT_HEADER: self._input(result)}
        if outputs := outputs_header(result):
            headers[subjects.OUTPUTS_HEADER] = outputs
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
        elif isinstance(error, StreamFull):
            self._wait(result)
        else:
            self._later(self._settle(result, error))

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _wait(self, result: Result) -> None:
        """Its queue is full: who came first is stored first.

        Otherwise the oldest input might find no room for as long as there are younger ones; and before it has ended,
        nothing of theirs leaves the queue (`circe.purge`), which then stays full for ever.
        """
        line = self._lines.get(result.child)
        if line is None:
            line = self._lines[result.child] = deque()
            self._later(self._serve(result.child, line))
        line.append(result)

    async def _serve(self, child: str, line: deque[Result]) -> None:
        """Try the first until it is stored, then more and more at a time until there is no room again."""
        count, wait_s = 1, FIRST_RETRY_S
        while line:
            await asyncio.sleep(wait_s)
            tried = [line.popleft() for _ in range(min(count, len(line)))]
            left = await self._try_all(tried)
            line.extendleft(reversed(left))
            if not left:
                count, wait_s = min(2 * count, MOST_AT_ONCE), 0.0
            elif len(left) == len(tried):
                count, wait_s = 1, min(max(2 * wait_s, FIRST_RETRY_S), LONGEST_RETRY_S)
            else:
                count, wait_s = 1, FIRST_RETRY_S
        del self._lines[child]

    async def _try_all(self, results: Sequence[Result]) -> list[Result]:
        """Store them; those that there was no room for."""
        over = [result for result in results if result.job.is_moot]
        for result in over:
            self._on_stored(result)
        wanted = [result for result in results if not result.job.is_moot]
        left = []
        for result, future in zip(wanted, self._publish(wanted), strict=True):
            try:
                await future
            except StreamFull:
                left.append(result)
            except Exception as error:
                self._later(self._settle(result, error))
            else:
                self._on_stored(result)
        return left

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
            if isinstance(error, StreamFull):
                self._wait(result)
                return
            if isinstance(error, NotPermitted):  # until somebody gives us the right, or another key
                logger.warning("the result of %s is not stored: %s", result.item_id, error)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_RETRY_S)
            if result.job.is_moot:
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

    async def close(self) -> None:
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
