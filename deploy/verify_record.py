"""The other end of a verification: every result as the stream holds it, as a plain subscriber hears it, and every dead
letter.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Self
from zlib import crc32

from deploy import dead
from deploy.verdict import Letter, Result
from deploy.verify_book import Book
from runtime import subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.bus_core import Subscription
from runtime.bus_errors import BusFault
from runtime.message import Delivery, Message
from runtime.pulling import Pull

logger = logging.getLogger(__name__)

WINDOW = 1024
EGRESS_TOKENS = 3
"""`jupiter.<app>.egress` and `.put`: what stands before the task in a subject."""


class Recorder:
    """`async with Recorder(…)`: reads the consumer `results`, as every reader of results does."""

    def __init__(self, bus: Bus, app: App, book: Book, acknowledged_s: Sequence[float]) -> None:
        """`acknowledged_s`: when each input was, by its number; 0 before."""
        self.slowest_s: dict[int, float] = defaultdict(float)
        """By fault: the longest time from an input's acknowledgement to a result of it."""
        self._acknowledged_s = acknowledged_s
        self._loop = asyncio.get_running_loop()
        self._bus = bus
        self._app = app
        self._book = book
        self._is_paused = False
        self._letters_read = 0
        self._pull: Pull | None = None
        self._plain: Subscription | None = None
        self._undo: Callable[[], None] = lambda: None
        self._reset: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._plain = await self._bus.subscribe(subjects.egress(self._app.name), self._on_plain)
        stream = subjects.egress_stream(self._app.name)
        self._pull = await self._bus.pull(stream, subjects.RESULTS_CONSUMER, self._on_delivery)
        self._undo = self._bus.on_reconnect(self._on_reconnect)
        self._pull.want(WINDOW)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._undo()
        if self._reset is not None:
            self._reset.cancel()
            await asyncio.gather(self._reset, return_exceptions=True)
        if self._pull is not None:
            await self._pull.stop()
        if self._plain is not None:
            await self._plain.unsubscribe()

    def pause(self) -> None:
        """Be a reader that is absent: what comes is neither noted nor acknowledged."""
        self._is_paused = True

    def resume(self) -> None:
        """Read on, from where nothing was acknowledged."""
        self._is_paused = False
        self._on_reconnect()

    def _on_plain(self, message: Message) -> None:
        task, item_id = _split(message.subject)
        self._book.heard(task, item_id)

    def _on_delivery(self, delivery: Delivery) -> None:
        if self._is_paused:
            return
        task, item_id = _split(delivery.subject)
        given = delivery.headers.get(subjects.INPUT_HEADER, "")
        root = int(given) if given.isdigit() else 0
        self._book.result(Result(delivery.stream_sequence, task, item_id, root, crc32(delivery.payload)))
        self._bus.acknowledge([delivery.reply])
        self._note_time(self._book.number(item_id))
        if self._pull is not None:
            self._pull.want(WINDOW)

    def _note_time(self, number: int | None) -> None:
        if number is not None and self._acknowledged_s[number]:
            fault = self._book.fault(number)
            took_s = self._loop.time() - self._acknowledged_s[number]
            self.slowest_s[fault] = max(self.slowest_s[fault], took_s)

    def _on_reconnect(self) -> None:
        self._reset = asyncio.create_task(self._again(), name="results again")

    async def _again(self) -> None:
        with contextlib.suppress(BusFault):  # they come again later all the same
            await self._bus.reset_consumer(subjects.egress_stream(self._app.name), subjects.RESULTS_CONSUMER)
        if self._pull is not None:
            self._pull.want(WINDOW)

    async def read_letters(self) -> None:
        """Note the dead letters that have come since the last time."""
        stream, subject = subjects.dead_stream(self._app.name), subjects.dead(self._app.name)
        for message in await self._bus.read_stream(stream, subject, self._letters_read + 1):
            self._letters_read = message.sequence
            found = dead.letter(message)
            self._book.letter(
                Letter(
                    message.sequence,
                    str(found.get("task")),
                    str(found.get("id")),
                    int(found.get("seq") or 0),
                    str(found.get("error")),
                )
            )


def _split(subject: str) -> tuple[str, str]:
    """Task and item id of a result's subject, stored or published again."""
    tokens = subject.split(".", EGRESS_TOKENS + 1)
    return tokens[EGRESS_TOKENS], tokens[EGRESS_TOKENS + 1]
