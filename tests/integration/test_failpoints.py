"""A worker dies just where the fault suite wants it to, and not at all unless it does."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import pytest

from circe import failpoints
from circe.failpoints import AFTER_REPORT, AFTER_SEND, BEFORE_SEND, DeadlyBus
from runtime.bus import Bus
from runtime.message import Outgoing, PubAck
from tests.waiting import until

FRAME = ("jupiter.app.task.child.in.child-1", b"frame")
REPORT = ("jupiter.app.lineage.gateway-1", b"report")
CREDIT = ("jupiter.app.credit.parent-1", b"credit")
RESULT = Outgoing("jupiter.app.put.task.id", b"result")


class Sent:
    """A bus that only writes down."""

    def __init__(self) -> None:
        self.what: list[object] = []

    def send_many(self, messages: Iterable[tuple[str, bytes]]) -> bool:
        self.what += [payload for _, payload in messages]
        return True

    def store_many(self, messages: Sequence[Outgoing], deadline_s: float) -> list[asyncio.Future[PubAck]]:
        self.what += [message.payload for message in messages]
        futures: list[asyncio.Future[PubAck]] = []
        for _ in messages:
            futures.append(asyncio.get_running_loop().create_future())
            futures[-1].set_result(PubAck(b"{}"))
        return futures

    def publish(self, subject: str, payload: bytes, headers: object = None, reply: str = "") -> bool:
        self.what.append(payload)
        return True

    async def flush(self) -> bool:
        self.what.append("flushed")
        return True


@pytest.fixture
def deaths(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(failpoints, "LOOK_S", 0.001)
    monkeypatch.setattr(os, "kill", lambda pid, number: found.append((pid, number)))
    return found


async def armed(folder: Path, order: str) -> tuple[DeadlyBus, Sent]:
    """A bus that has read its order."""
    file = folder / "task"
    file.write_text(order)
    sent = Sent()
    bus = DeadlyBus(cast(Bus, sent), file, "app")
    await until(lambda: not file.exists())
    return bus, sent


async def end(bus: DeadlyBus) -> None:
    assert bus._dying is not None
    await bus._dying
    bus._looking.cancel()


@pytest.mark.parametrize(
    ("point", "last"),
    [
        (BEFORE_SEND, []),
        (AFTER_SEND, [b"frame"]),
        (AFTER_REPORT, [b"frame", b"report", b"credit"]),
    ],
)
async def test_the_second_turn_is_the_last_and_goes_as_far_as_the_point(
    tmp_path: Path, deaths: list[tuple[int, int]], point: str, last: list[bytes]
) -> None:
    bus, sent = await armed(tmp_path, f"{point}:2")
    for _ in range(3):
        bus.send_many([FRAME, REPORT, CREDIT])
        bus.publish("jupiter.status.app.task.task-1", b"beat")
    await end(bus)
    assert sent.what == [b"frame", b"report", b"credit", b"beat", *last, "flushed"]
    assert deaths == [(os.getpid(), signal.SIGKILL)]


@pytest.mark.parametrize(("point", "stored"), [(BEFORE_SEND, []), (AFTER_SEND, [b"result"])])
async def test_results_are_stored_or_not_and_nobody_hears_of_it(
    tmp_path: Path, deaths: list[tuple[int, int]], point: str, stored: list[bytes]
) -> None:
    bus, sent = await armed(tmp_path, f"{point}:1")
    (answer,) = bus.store_many([RESULT], 1.0)
    bus.send_many([REPORT])
    await end(bus)
    assert not answer.done()
    assert sent.what == [*stored, "flushed"]
    assert len(deaths) == 1


async def test_without_the_variable_the_bus_is_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(failpoints.VARIABLE, raising=False)
    sent = cast(Bus, Sent())
    assert failpoints.over(sent, "app", "task") is sent


@pytest.mark.parametrize("text", ["", "after_send", "after_send:0", "after_send:x", "somewhere:1"])
def test_an_order_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no fail point"):
        failpoints.read(text)
