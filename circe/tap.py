"""A task's outputs for whoever listens on its `out` subject; free while nobody does.

At most once a second an output goes out as a question: 503 says that nobody heard it and shuts the tap, anything
else opens it. What comes while a shut tap waits for the answer waits with it, so that the first outputs of a new
worker are heard as well. `jupiter tail` asks for itself, and then misses nothing. A tap never slows the pipeline: what
does not fit is left out; every output has a number, so that a listener knows how many it did not get.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from circe.job import Job
from circe.outputs import Output, heard_ids
from circe.replay import origin_of
from runtime import subjects
from runtime.bus import Bus
from runtime.graph import TaskGraph
from runtime.message import INBOXES, Message
from runtime.reference import Payload, Reference

PROBE_S = 1.0
ANSWER_S = 0.25
HELD_BYTES = 1 << 20
"""What may wait for the answer to a question."""
UNSENT_BYTES = 4 << 20
"""With so much unsent on our connection, the pipeline needs it for itself."""
HEADER_ROOM_BYTES = 1024
NO_RESPONDERS = 503


class _Heard(NamedTuple):
    payload: bytes
    headers: Mapping[str, str]


class Tap:
    """The tap of one worker; `start` it first."""

    def __init__(self, bus: Bus, app: str, graph: TaskGraph, task: str, incarnation: str) -> None:
        self._bus = bus
        self._app = app
        self._task = task
        self._subject = subjects.tap(app, task)
        self._children = graph.tasks[task].children
        self._one_to_one = graph.enclosing_join(task) is not None
        self._incarnation = incarnation
        self._loop = asyncio.get_running_loop()
        self._inbox = bus.new_inbox()
        self._is_open = False
        self._number = 0
        self._questions = 0
        self._next_question_s = 0.0
        self._waiting: asyncio.TimerHandle | None = None
        """Until when silence is an answer, while a question is under way."""
        self._held: list[_Heard] = []
        self._held_bytes = 0
        self.left_out = 0

    async def start(self) -> None:
        await self._bus.add_handler(f"{self._inbox}.*", self._on_answer)
        await self._bus.subscribe(subjects.listener(self._app, self._task), self._on_listener)

    def offer(self, given: Sequence[tuple[Job, Sequence[Output[Payload]]]]) -> None:
        """What calls gave, for those who want to see it."""
        if self._is_open or self._waiting is not None or self._is_due():
            for job, outputs in given:
                self._show(job, outputs)
        else:
            self._number += sum([len(outputs) for _, outputs in given])

    def _show(self, job: Job, outputs: Sequence[Output[Payload]]) -> None:
        first = self._number + 1
        self._number += len(outputs)
        origin = str(origin_of(job.root, job.headers))
        ids = heard_ids(job.item_id, outputs, self._children, one_to_one=self._one_to_one)
        for number, (item_id, output) in enumerate(zip(ids, outputs, strict=True), first):
            headers = {
                subjects.ID_HEADER: item_id,
                subjects.INPUT_HEADER: origin,
                subjects.TAP_HEADER: self._mark(number),
            }
            if isinstance(output.payload, Reference):
                self._give(_Heard(b"", headers | output.payload.headers()))
            else:
                self._give(_Heard(output.payload, headers))

    def _mark(self, number: int) -> str:
        return f"{self._incarnation} {number}"

    def _is_due(self) -> bool:
        return self._waiting is None and self._loop.time() >= self._next_question_s and self._has_room()

    def _has_room(self) -> bool:
        return self._bus.link.unsent_bytes < UNSENT_BYTES

    def _give(self, heard: _Heard) -> None:
        if len(heard.payload) > self._bus.link.max_payload_bytes - HEADER_ROOM_BYTES:
            self.left_out += self._is_open
        elif self._is_due():
            self._ask(heard)
        elif self._is_open:
            self._publish(heard)
        elif self._waiting is not None and self._held_bytes < HELD_BYTES:
            self._held.append(heard)
            self._held_bytes += len(heard.payload) + HEADER_ROOM_BYTES

    def _publish(self, heard: _Heard, reply: str = "") -> None:
        if not self._has_room() or not self._bus.publish(self._subject, heard.payload, heard.headers, reply):
            self.left_out += 1

    # ---- whether somebody listens

    def _ask(self, heard: _Heard) -> None:
        self._questions += 1
        self._next_question_s = self._loop.time() + PROBE_S
        self._waiting = self._loop.call_later(ANSWER_S, self._open)
        self._publish(heard, f"{self._inbox}.{self._questions}")

    def _on_answer(self, message: Message) -> None:
        if self._waiting is None or message.subject != f"{self._inbox}.{self._questions}":
            return  # late, or a second listener's
        if message.status == NO_RESPONDERS:
            self._settle()
            self._is_open = False
            self._take_held()
        else:
            self._open()

    def _on_listener(self, message: Message) -> None:
        """Somebody asks for what comes from now on; who was not there before is no answer to that."""
        if message.reply.startswith(INBOXES):
            self._bus.publish(message.reply, b"", {subjects.TAP_HEADER: self._mark(self._number)})
        self._open()

    def _open(self) -> None:
        self._settle()
        self._is_open = True
        for heard in self._take_held():
            self._publish(heard)

    def _settle(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _take_held(self) -> list[_Heard]:
        held, self._held, self._held_bytes = self._held, [], 0
        return held

    def close(self) -> None:
        self._settle()
