"""The shell of a head, when JetStream takes its time and when another head is named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest

from circe import reading
from circe.head import Head, Input
from circe.reading import NAK, Queue, Reader
from runtime.bus import Bus
from runtime.bus_errors import NoResponders
from runtime.message import Delivery
from runtime.records import EdgeRecord


class Pull:
    """What was wanted of the queue, and whether it is still read."""

    def __init__(self, log: list[str], handler: Callable[[Delivery], None]) -> None:
        self.log, self.handler = log, handler
        self.wanted = 0
        self.may_stop = asyncio.Event()
        self.may_stop.set()

    def want(self, count: int) -> None:
        self.wanted = count

    async def stop(self) -> None:
        await self.may_stop.wait()
        self.log.append("stop")


class SlowBus:
    """Serves no streams at first, and says what is done with it."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.log: list[str] = []
        self.frames: list[str] = []
        self.pulls: list[Pull] = []
        self.closed = asyncio.Event()

    async def consumer_state(self, stream: str, name: str) -> None:
        return None

    async def reset_consumer(self, stream: str, name: str) -> None:
        if self.failures:
            self.failures -= 1
            raise NoResponders("nobody serves the stream")
        self.log.append("reset")

    async def pull(self, stream: str, consumer: str, handler: Callable[[Delivery], None]) -> Pull:
        self.log.append("pull")
        self.pulls.append(Pull(self.log, handler))
        return self.pulls[-1]

    def send_many(self, messages: Iterable[tuple[str, bytes]]) -> bool:
        messages = list(messages)
        self.log += [f"{subject} {payload.decode()}" for subject, payload in messages if payload == NAK]
        self.frames += [subject for subject, payload in messages if payload != NAK]
        return True


def edges(head: str | None, entry: str = "a") -> EdgeRecord:
    heads = {} if head is None else {"home": head}
    workers = {entry: (f"{entry}-1",)}
    return EdgeRecord(
        app="app", revision=1, entries=(entry,), workers=workers, heads=heads, segments={"home": (entry,)}
    )


def reader(bus: SlowBus) -> Reader:
    head = Head("gateway-1", lambda: 7, max_items=10, max_bytes=1000)
    queue = Queue("ingress", "gateway", lambda delivery: None)
    return Reader(cast(Bus, bus), "app", head, queue, lambda latency_s: None)


async def until(is_so: Callable[[], Any]) -> None:
    """A few turns of the loop: nothing here waits for time."""
    for _ in range(100):
        if is_so():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not come to that")


async def test_after_a_reconnection_the_queue_is_read_anew_however_long_that_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was tried once: inputs lost on their way then came again when the acknowledgement wait was over."""
    monkeypatch.setattr(reading, "RESET_PAUSE_S", 0.0)
    bus = SlowBus(failures=3)
    made = reader(bus)
    made._pull = cast(Any, Pull([], lambda delivery: None))
    made._on_reconnect()
    assert made._resets is not None
    await asyncio.wait_for(made._resets, 1.0)
    assert bus.log == ["reset"]


async def test_a_head_that_is_named_no_more_gives_back_what_it_holds() -> None:
    """Nothing is asked for before that: the server would give it to us again."""
    bus = SlowBus()
    made = reader(bus)
    reading_ = asyncio.create_task(made.read_for_ever())
    made.follow(edges("gateway-1"))
    await until(lambda: bus.pulls and bus.pulls[0].wanted)
    made.head.take(Input(1, "i1", b"v", None, None, "token1"))
    made.follow(edges("gateway-2"))
    await until(lambda: len(bus.log) == 4)
    assert bus.log == ["reset", "pull", "stop", "token1 -NAK"]
    assert made.head.in_flight == 0
    made.follow(edges("gateway-1"))
    await until(lambda: len(bus.pulls) == 2)
    reading_.cancel()


async def test_when_inputs_go_to_another_task_those_in_flight_are_read_again() -> None:
    """They waited for the task that had got them for ever, and nothing more was read."""
    bus = SlowBus()
    made = reader(bus)
    reading_ = asyncio.create_task(made.read_for_ever())
    made.follow(edges("gateway-1"))
    await until(lambda: bus.pulls and bus.pulls[0].wanted)
    made.head.take(Input(1, "i1", b"v", None, None, "token1"))
    made.follow(edges("gateway-1", "b"))
    await until(lambda: len(bus.log) == 3)
    assert bus.log == ["reset", "pull", "reset"]
    assert made.head.in_flight == 0
    made.head.take(Input(1, "i1", b"v", None, None, "token1"))
    made._turn()
    assert bus.frames == ["jupiter.app.task.b.in.b-1"]
    assert made.head.room > 0
    reading_.cancel()


async def test_a_head_that_leaves_takes_nothing_more_and_lets_what_it_has_end() -> None:
    bus = SlowBus()
    made = reader(bus)
    reading_ = asyncio.create_task(made.read_for_ever())
    made.follow(edges("gateway-1"))
    await until(lambda: bus.pulls)
    made.head.take(Input(1, "i1", b"v", None, None, "token1"))
    made.leave()
    await until(lambda: "stop" in bus.log)
    assert made.head.in_flight == 1
    made.follow(edges(None))
    await until(lambda: "token1 -NAK" in bus.log)
    reading_.cancel()


async def test_a_head_that_is_named_again_while_it_stops_reading_reads_on() -> None:
    """It waited for the next record, and for as long as nothing changed nobody read the queue."""
    bus = SlowBus()
    made = reader(bus)
    reading_ = asyncio.create_task(made.read_for_ever())
    made.follow(edges("gateway-1"))
    await until(lambda: bus.pulls)
    bus.pulls[0].may_stop.clear()
    made.follow(edges(None))
    await until(lambda: made._pull is None)
    made.follow(edges("gateway-1"))
    bus.pulls[0].may_stop.set()
    await until(lambda: len(bus.pulls) == 2)
    assert bus.log == ["reset", "pull", "stop", "reset", "pull"]
    reading_.cancel()
