"""The shell around the head of a gather, when another worker takes its groups over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, cast

from circe.gathering import GatherReader
from circe.groups import State
from circe.head import Input
from runtime import subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.graph import Gather, Task, TaskGraph
from runtime.loader import UserTask
from runtime.message import Delivery
from runtime.network import HOME
from runtime.records import EdgeRecord

TASK = Task(name="g", script="g.py", children=(HOME,), edge="queued", gather=Gather(count=1))
APP = App(name="app", graph=TaskGraph({"g": TASK}, ("g",)), digest="d")


class Pull:
    """One that does not stop before it may."""

    def __init__(self) -> None:
        self.may_stop = asyncio.Event()

    def want(self, count: int) -> None:
        pass

    async def stop(self) -> None:
        await self.may_stop.wait()


class FakeBus:
    """Remembers the subjects of what is sent, and what is acknowledged."""

    def __init__(self) -> None:
        self.link = SimpleNamespace(max_payload_bytes=1 << 20)
        self.closed = asyncio.Event()
        self.pulled: Pull | None = None
        self.sent: list[str] = []
        self.acknowledged: list[str] = []

    async def consumer_state(self, stream: str, name: str) -> Any:
        return SimpleNamespace(created_s=1.0, ack_floor_stream_sequence=0, delivered_stream_sequence=0)

    async def reset_consumer(self, stream: str, name: str) -> None:
        pass

    async def pull(self, stream: str, consumer: str, handler: Callable[[Delivery], None]) -> Pull:
        self.pulled = Pull()
        return self.pulled

    def send_many(self, messages: Iterable[tuple[str, bytes]]) -> bool:
        self.sent += [subject for subject, _ in messages]
        return True

    def acknowledge(self, tokens: Iterable[str]) -> None:
        self.acknowledged += tokens


class RefusedJournal:
    """Takes the first state, and refuses the next one when it is told to."""

    def __init__(self) -> None:
        self.written: list[State] = []
        self.may_answer = asyncio.Event()

    async def read(self) -> State:
        return State()

    async def write(self, state: State) -> bool:
        self.written.append(state)
        if len(self.written) == 1:
            return True
        await self.may_answer.wait()
        return False


def edges(head: str) -> EdgeRecord:
    workers = {"g": ("g-1", "g-2")}
    return EdgeRecord(app="app", revision=1, workers=workers, heads={"g": head}, segments={"g": ("g",)})


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_group_that_the_journal_did_not_take_does_not_run() -> None:
    """The next head makes another group of the same items, under the same id: one of the two results was lost."""
    bus, journal = FakeBus(), RefusedJournal()
    user_task = cast(UserTask, SimpleNamespace(sorts=False))
    made = GatherReader(cast(Bus, bus), APP, TASK, user_task, "g-1", on_unsorted=lambda: None)
    made._journal = cast(Any, journal)
    reading = asyncio.create_task(made.read_for_ever())
    made.follow(edges("g-1"))
    await turns()
    made.head.take(Input(1, "r-1", b"v", None, None, "token"))
    made.turn_soon()
    await turns()
    assert len(journal.written) == 2
    made.follow(edges("g-2"))
    await turns()  # it still stops reading
    journal.may_answer.set()
    await turns()
    assert subjects.inbox("app", "g", "g-2") not in bus.sent
    assert subjects.inbox("app", "g", "g-1") not in bus.sent
    assert bus.acknowledged == []
    assert bus.pulled is not None
    bus.pulled.may_stop.set()
    await turns()
    assert bus.sent == ["token"]  # given back
    reading.cancel()
