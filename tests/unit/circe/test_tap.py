"""A tap: nothing while nobody listens, everything while somebody does, and never more than there is room for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import SimpleNamespace
from typing import cast

import pytest

from circe import tap as tap_module
from circe.job import Job
from circe.outputs import Output, address, heard_ids
from circe.tap import Tap
from runtime import subjects
from runtime.bus import Bus
from runtime.bus_core import Handler
from runtime.graph import Task, TaskGraph
from runtime.message import Message

GRAPH = TaskGraph({"work": Task(name="work", script="work.py", children=("home",))}, ("work",))


NOBODY = b"NATS/1.0 503\r\n\r\n"
HEARD = b""


class Listeners:
    """A bus whose questions are answered when the test says so."""

    def __init__(self) -> None:
        self.link = SimpleNamespace(max_payload_bytes=1 << 20, unsent_bytes=0)
        self.heard: list[bytes] = []
        self.headers: list[Mapping[str, str]] = []
        self.questions: list[str] = []
        self.answers: list[str] = []
        self.handlers: dict[str, Handler] = {}

    def new_inbox(self) -> str:
        return "inbox"

    async def add_handler(self, subject: str, handler: Handler) -> None:
        self.handlers[subject] = handler

    async def subscribe(self, subject: str, handler: Handler) -> None:
        self.handlers[subject] = handler

    def publish(self, subject: str, payload: bytes, headers: Mapping[str, str], reply: str = "") -> bool:
        if subject == "_INBOX.listener":
            self.answers.append(headers[subjects.TAP_HEADER])
            return True
        self.heard.append(payload)
        self.headers.append(headers)
        if reply:
            self.questions.append(reply)
        return True

    def answer(self, block: bytes) -> None:
        """To the oldest question."""
        self.handlers["inbox.*"](Message(self.questions.pop(0), b"", block))

    def listen(self) -> None:
        self.handlers[subjects.listener("app", "work")](Message("tap", b"", b"", "_INBOX.listener"))

    @property
    def numbers(self) -> list[int]:
        marks = [each[subjects.TAP_HEADER].split() for each in self.headers]
        assert {incarnation for incarnation, _ in marks} == {"work-1"}
        return [int(number) for _, number in marks]


def give(tap: Tap, *payloads: bytes) -> None:
    tap.offer([(Job("h", 7, 1, "r-7", 1, b"", None, None), [Output(payload) for payload in payloads])])


@pytest.fixture
def listeners() -> Listeners:
    return Listeners()


@pytest.fixture
async def tap(listeners: Listeners) -> AsyncIterator[Tap]:
    tap = Tap(cast(Bus, listeners), "app", GRAPH, "work", "work-1")
    await tap.start()
    yield tap
    tap.close()


async def test_while_nobody_listens_only_the_question_is_sent(listeners: Listeners, tap: Tap) -> None:
    give(tap, b"1")
    give(tap, b"2")
    listeners.answer(NOBODY)
    give(tap, b"3")
    assert listeners.heard == [b"1"]
    assert tap.left_out == 0


async def test_what_came_while_it_asked_is_heard_as_well_and_in_order(listeners: Listeners, tap: Tap) -> None:
    for payload in (b"1", b"2", b"3"):
        give(tap, payload)
    listeners.answer(HEARD)
    give(tap, b"4")
    assert listeners.heard == [b"1", b"2", b"3", b"4"]
    assert listeners.numbers == [1, 2, 3, 4]
    assert {each[subjects.INPUT_HEADER] for each in listeners.headers} == {"7"}


async def test_silence_says_that_somebody_listens(
    listeners: Listeners, tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tap_module, "ANSWER_S", 0.0)
    give(tap, b"1")
    give(tap, b"2")
    async with asyncio.timeout(5.0):
        while len(listeners.heard) < 2:
            await asyncio.sleep(0)
    assert listeners.heard == [b"1", b"2"]


async def test_who_asks_hears_all_from_then_on_although_nobody_was_there_before(listeners: Listeners, tap: Tap) -> None:
    give(tap, b"1")
    listeners.listen()
    listeners.answer(NOBODY)
    give(tap, b"2")
    assert listeners.answers == ["work-1 1"]
    assert listeners.heard == [b"1", b"2"]


async def test_it_shuts_when_nobody_is_left(listeners: Listeners, tap: Tap, monkeypatch: pytest.MonkeyPatch) -> None:
    listeners.listen()
    monkeypatch.setattr(tap_module, "PROBE_S", 0.0)
    give(tap, b"1")  # a question as well
    monkeypatch.setattr(tap_module, "PROBE_S", 60.0)
    listeners.answer(HEARD)
    give(tap, b"2")
    listeners.answer(NOBODY)
    give(tap, b"3")
    assert listeners.heard == [b"1", b"2"]


async def test_the_pipeline_comes_first_and_what_is_left_out_has_a_number(listeners: Listeners, tap: Tap) -> None:
    listeners.listen()
    give(tap, b"1")
    listeners.link.unsent_bytes = tap_module.UNSENT_BYTES
    give(tap, b"2", b"3")
    listeners.link.unsent_bytes = 0
    give(tap, b"4")
    give(tap, bytes(1 << 20))  # larger than a message may be
    give(tap, b"6")
    assert listeners.numbers == [1, 4, 6]
    assert tap.left_out == 3


async def test_what_waits_for_an_answer_is_bounded(listeners: Listeners, tap: Tap) -> None:
    for _ in range(100):
        give(tap, bytes(100_000))
    listeners.answer(HEARD)
    assert 10 <= len(listeners.heard) <= 13


@pytest.mark.parametrize(
    ("outputs", "children", "one_to_one", "ids"),
    [
        ([Output(b"v")], ("a", "b"), False, ["r-7"]),
        ([Output(b"v", None, False)] * 3, ("a", "b"), False, ["r-7.1", "r-7.2", "r-7.3"]),
        ([Output(b"v", "b", False), Output(b"v", "a", False), Output(b"v", "b", False)], ("a", "b"), False,
         ["r-7.1", "r-7.1", "r-7.2"]),
        ([Output(b"v", "a", False), Output(b"v", None, False)], ("a", "b"), False, ["r-7.1", "r-7.2"]),
        ([Output(b"v", None, False)], ("a",), True, ["r-7"]),
        ([Output(b"v", None, False)], (), False, ["r-7.1"]),
    ],
)  # fmt: skip
def test_an_output_is_heard_under_the_id_that_its_child_knows(
    outputs: list[Output], children: tuple[str, ...], one_to_one: bool, ids: list[str]
) -> None:
    assert heard_ids("r-7", outputs, children, one_to_one=one_to_one) == ids
    for child in children[:1]:
        known = [each.item_id for each in address("r-7", outputs, children, one_to_one=one_to_one)
                 if each.child == child and each.payload is not None]  # fmt: skip
        assert known == [each for each, output in zip(ids, outputs, strict=True) if output.to in (None, child)]
