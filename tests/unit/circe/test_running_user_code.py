"""User code on a thread and on the event loop: what it raises, how long it may take, and what its parent can see."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from types import ModuleType
from typing import Any

import pytest

from circe.call import Call, Failure, Outcome
from circe.job import Job
from circe.loop_runner import LoopRunner
from circe.printing import ITEM
from circe.runner import ThreadRunner
from runtime import codec
from runtime.context import Context
from runtime.loader import UserTask, kind_of
from runtime.slot import SIZE_BYTES, SLOTS, Slots


def job(value: int = 1) -> Job:
    return Job("head", value, 1, f"run-{value}", 7, str(value).encode(), None, "sender")


def call(process: Callable[..., Any]) -> Call:
    user_task = UserTask(name="work", module=ModuleType("work"), process=process, kind=kind_of(process))
    context = Context(app="app", task="work", node="n", children=("home",))
    return Call(user_task, context, codec.CODECS["json"], codec.CODECS["json"])


def shared() -> Slots:
    return Slots(memoryview(bytearray(SIZE_BYTES)))


class RudeError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


def leave(item: Any, ctx: Context) -> None:
    sys.exit(4)


def interrupt(item: Any, ctx: Context) -> None:
    raise KeyboardInterrupt


def rude(item: Any, ctx: Context) -> None:
    raise RudeError


def unencodable(item: Any, ctx: Context) -> object:
    return object()


@pytest.mark.parametrize(
    ("process", "error"),
    [
        (leave, "SystemExit: 4"),
        (interrupt, "KeyboardInterrupt"),
        (rude, "RudeError: <exception str() failed>"),
        (unencodable, "TypeError"),
    ],
)
def test_whatever_user_code_raises_is_a_failure_of_the_item(process: Callable[..., Any], error: str) -> None:
    outputs = call(process).run(job())
    assert isinstance(outputs, Failure)
    assert error in outputs.error


def test_a_traceback_begins_in_user_code() -> None:
    outputs = call(leave).run(job())
    assert isinstance(outputs, Failure)
    frames = [line for line in outputs.traceback.splitlines() if line.startswith("  File")]
    assert len(frames) == 1
    assert frames[0].endswith("in leave")


async def cancelled_itself(item: Any, ctx: Context) -> None:
    raise asyncio.CancelledError


async def left(item: Any, ctx: Context) -> None:
    sys.exit(4)


@pytest.mark.parametrize(("process", "error"), [(cancelled_itself, "CancelledError"), (left, "SystemExit: 4")])
async def test_on_a_loop_too(process: Callable[..., Any], error: str) -> None:
    outputs = await call(process).run_async(job())
    assert isinstance(outputs, Failure)
    assert error in outputs.error


async def test_being_cancelled_from_outside_is_no_failure() -> None:
    async def wait(item: Any, ctx: Context) -> None:
        await asyncio.Event().wait()

    running = asyncio.create_task(call(wait).run_async(job()))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


class Outcomes:
    """Collects them, by item."""

    def __init__(self) -> None:
        self.found: dict[int, Any] = {}
        self.changed = asyncio.Event()

    def take(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            found = outcome.outputs
            self.found[outcome.job.root] = found if isinstance(found, Failure) else [each.payload for each in found]
        self.changed.set()

    async def wait_for(self, count: int) -> None:
        while len(self.found) < count:
            self.changed.clear()
            await self.changed.wait()


async def test_the_item_on_the_thread_stands_in_shared_memory() -> None:
    slots, seen, outcomes = shared(), [], Outcomes()

    def process(item: int, ctx: Context) -> int:
        seen.extend(slots.calls())
        return item

    runner = ThreadRunner(call(process), outcomes.take, slots)
    started_s = time.monotonic()
    runner.submit([job(5), job(6)])
    await outcomes.wait_for(2)
    await runner.close()
    assert [(found.root, found.item_id) for found in seen] == [(5, "run-5"), (6, "run-6")]
    assert all(0 <= found.started_s - started_s < 60 for found in seen)
    assert slots.calls() == []
    assert not slots.is_loop


async def test_outcomes_are_not_told_as_of_the_item_in_work() -> None:
    outcomes, told_of = Outcomes(), []

    def take(found: list[Outcome]) -> None:
        told_of.append(ITEM.get())
        outcomes.take(found)

    runner = ThreadRunner(call(lambda item, ctx: item), take, shared())
    runner.submit([job(5)])
    await outcomes.wait_for(1)
    await runner.close()
    assert told_of == [""]


class Gates:
    """A task whose items wait until they are let through."""

    def __init__(self) -> None:
        self.inside: list[int] = []
        self.events: dict[int, asyncio.Event] = {}

    async def process(self, item: int, ctx: Context) -> int:
        self.inside.append(item)
        await self.events.setdefault(item, asyncio.Event()).wait()
        self.inside.remove(item)
        return item

    def open(self, *items: int) -> None:
        for item in items:
            self.events.setdefault(item, asyncio.Event()).set()


@pytest.fixture
async def gates() -> AsyncIterator[Gates]:
    yield Gates()


async def turns(count: int = 10) -> None:
    """Let the loop do what there is to do."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_items_on_a_loop_stand_in_a_slot_each(gates: Gates) -> None:
    slots, outcomes = shared(), Outcomes()
    runner = LoopRunner(call(gates.process), outcomes.take, slots, None)
    runner.submit([job(number) for number in range(SLOTS + 6)])
    await turns()
    assert len(gates.inside) == SLOTS
    assert sorted(found.root for found in slots.calls()) == list(range(SLOTS))
    assert slots.is_loop
    gates.open(*range(SLOTS + 6))
    await outcomes.wait_for(SLOTS + 6)
    assert slots.calls() == []
    assert slots.current() is None
    await runner.close()


async def test_the_item_whose_step_it_is_is_marked() -> None:
    slots, outcomes, seen = shared(), Outcomes(), []

    async def process(item: int, ctx: Context) -> int:
        for _ in range(3):
            step = slots.current()
            by_slot = {found.slot: found.root for found in slots.calls()}
            seen.append(step is not None and by_slot[step.slot] == item)
            await asyncio.sleep(0)
        return item

    runner = LoopRunner(call(process), outcomes.take, slots, None)
    runner.submit([job(number) for number in range(8)])
    await outcomes.wait_for(8)
    assert seen == [True] * 24
    await runner.close()


async def test_a_suspect_runs_when_nobody_else_does(gates: Gates) -> None:
    outcomes = Outcomes()
    runner = LoopRunner(call(gates.process), outcomes.take, shared(), None)
    runner.submit([job(1), job(2)])
    runner.submit_alone(job(3))
    runner.submit_alone(job(4))
    runner.submit([job(5)])
    await turns()
    assert gates.inside == [1, 2]
    gates.open(1, 2)
    await turns()
    assert gates.inside == [3]
    gates.open(3)
    await turns()
    assert gates.inside == [4]
    gates.open(4)
    await turns()
    assert gates.inside == [5]
    gates.open(5)
    await outcomes.wait_for(5)
    await runner.close()


async def test_the_time_of_an_item_on_a_loop_ends() -> None:
    outcomes = Outcomes()

    async def process(item: int, ctx: Context) -> int:
        if item == 1:
            await asyncio.Event().wait()
        return item

    runner = LoopRunner(call(process), outcomes.take, shared(), 0.01)
    runner.submit([job(1), job(2)])
    await outcomes.wait_for(2)
    late = outcomes.found[1]
    assert isinstance(late, Failure)
    assert late.error == "took longer than timeout_s 0.01 s"
    assert "in process" in late.traceback
    assert outcomes.found[2] == [b"2"]
    await runner.close()


async def test_an_error_on_the_way_out_does_not_hide_that_the_time_was_over() -> None:
    outcomes = Outcomes()

    async def process(item: int, ctx: Context) -> int:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("while leaving") from None
        return item

    runner = LoopRunner(call(process), outcomes.take, shared(), 0.01)
    runner.submit([job(1)])
    await outcomes.wait_for(1)
    assert outcomes.found[1].error == "took longer than timeout_s 0.01 s"
    assert "while leaving" in outcomes.found[1].traceback
    await runner.close()


async def test_closing_ends_what_is_in_work(gates: Gates) -> None:
    slots, outcomes = shared(), Outcomes()
    runner = LoopRunner(call(gates.process), outcomes.take, slots, None)
    runner.submit([job(number) for number in range(SLOTS + 1)])
    await turns()
    await runner.close()
    assert slots.calls() == []
    assert outcomes.found == {}


async def test_closing_begins_nothing_more_on_the_thread_and_tells_nobody_of_what_is_in_work() -> None:
    inside, may_leave, begun, outcomes = threading.Event(), threading.Event(), [], Outcomes()

    def process(item: int, ctx: Context) -> int:
        begun.append(item)
        inside.set()
        may_leave.wait()
        return item

    runner = ThreadRunner(call(process), outcomes.take, shared())
    runner.submit([job(1), job(2)])
    await asyncio.to_thread(inside.wait)
    await runner.close()
    may_leave.set()
    await asyncio.to_thread(runner._thread.join)
    await turns()
    assert begun == [1]
    assert outcomes.found == {}
