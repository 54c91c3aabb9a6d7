"""`jupiter tail APP TASK`: a task's outputs, asked for directly, so that none is missed unless it says so."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable

from deploy import values
from deploy.gaps import Gaps
from deploy.tailing import Tail, write_until_done
from runtime import codec, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.message import Message
from runtime.records import EdgeRecord

ANSWER_S = 2.0


class Listener:
    """Of one task's tap."""

    def __init__(self, bus: Bus, app: str, task: str, tail: Tail) -> None:
        self._bus = bus
        self._app = app
        self._task = task
        self._tail = tail
        self._gaps = Gaps()
        self._inbox = bus.new_inbox()
        self._answered = asyncio.Event()

    async def open(self) -> None:
        """When this returns, whoever runs the task gives us all that comes; says so of those who do not answer."""
        await self._bus.subscribe(subjects.tap(self._app, self._task), self._take)
        await self._bus.subscribe(self._inbox, self._take_answer)
        self._gaps.expect(await self._workers())
        self._bus.on_reconnect(self._ask)  # while we were away, the taps have been shut
        self._ask()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                while self._gaps.silent:
                    self._answered.clear()
                    await self._answered.wait()
        for name in self._gaps.silent:
            sys.stderr.write(f"jupiter: {name} does not answer: what it gives first may be missing\n")

    async def _workers(self) -> tuple[str, ...]:
        found = await self._bus.last_message(subjects.CONTROL_STREAM, subjects.edges(self._app))
        if found is None or not found.payload:
            return ()
        return EdgeRecord.from_record(codec.decode_record(found.payload)).workers.get(self._task, ())

    def _ask(self) -> None:
        self._bus.publish(subjects.listener(self._app, self._task), b"", reply=self._inbox)

    def _take_answer(self, message: Message) -> None:
        with contextlib.suppress(ValueError, KeyError):  # the server answers as well, where nobody is
            self._gaps.answer(message.headers[subjects.TAP_HEADER])
            self._answered.set()

    def _take(self, message: Message) -> None:
        if message.reply:
            self._bus.publish(message.reply, b"")
        with contextlib.suppress(ValueError, KeyError):  # anybody may publish there
            self._tail.left_out += self._gaps.hear(message.headers[subjects.TAP_HEADER])
        self._tail.take(message)


async def outputs(bus: Bus, app: App, task: str, count: int | None, on_listening: Callable[[], None]) -> None:
    """What a task gives to its children, a line each."""
    decode = codec.CODECS[app.codec].decode

    async def line(message: Message) -> bytes:
        item_id = message.headers.get(subjects.ID_HEADER, "")
        position = values.position(message.headers.get(subjects.INPUT_HEADER))
        return values.line(item_id, position, task, values.shown(message.payload, message.headers, decode))

    tail = Tail(line, count)
    await Listener(bus, app.name, task, tail).open()
    on_listening()
    await write_until_done(tail)
