"""The way out of a task: every result is answered for once, whatever the server says and however late."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from circe import egress
from circe.egress import Egress
from circe.job import Job, Result
from runtime import subjects
from runtime.bus import Bus
from runtime.bus_errors import ConnectionLost, RequestTimeout, StreamFull, WrongLastSequence
from runtime.message import Outgoing, PubAck, StoredMessage

STORED = PubAck(b'{"stream":"s","seq":1}')
REFUSED = WrongLastSequence(10071, "wrong last sequence: 1")


class Server:
    """Answers stores and questions in a given order."""

    link = SimpleNamespace(max_payload_bytes=1 << 20)

    def __init__(self, stores: Sequence[object], held: Sequence[object] = ()) -> None:
        self._stores, self._held = list(stores), list(held)
        self.asked = 0

    def store(self, subject: str, payload: bytes, headers: dict[str, str], deadline_s: float) -> asyncio.Future[PubAck]:
        self.asked += 1
        future: asyncio.Future[PubAck] = asyncio.get_running_loop().create_future()
        answer = self._stores.pop(0)
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(cast(PubAck, answer))
        return future

    def store_many(self, messages: Sequence[Outgoing], deadline_s: float) -> list[asyncio.Future[PubAck]]:
        return [self.store(m.subject, m.payload, dict(m.headers), deadline_s) for m in messages]

    async def last_message(self, stream: str, subject: str) -> StoredMessage | None:
        answer = self._held.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return cast(StoredMessage, answer)


def held(root: int) -> StoredMessage:
    return StoredMessage("put", b"", {subjects.INPUT_HEADER: str(root)}, 1, 0.0)


def result(item_id: str = "r-~given", payload: bytes = b"v") -> Result:
    return Result(Job("h", 7, 1, item_id, 1, b"", None, None), item_id, payload)


async def outcome(server: Server, *results: Result) -> list[str]:
    """What the worker is told, in order."""
    told: list[str] = []
    done = asyncio.Event()

    def tell(words: str) -> None:
        told.append(words)
        if len(told) == len(results):
            done.set()

    out = Egress(
        cast(Bus, server),
        "app",
        "task",
        on_stored=lambda result: tell("stored"),
        on_refused=lambda result, reason: tell(reason),
    )
    out.store(results)
    await asyncio.wait_for(done.wait(), 5.0)
    await out.close()
    return told


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress, "FIRST_RETRY_S", 0.0)
    monkeypatch.setattr(egress, "LONGEST_RETRY_S", 0.0)


@pytest.mark.parametrize("first", [StreamFull(10077, "maximum bytes exceeded"), ConnectionLost("gone")])
async def test_what_was_not_stored_or_is_unknown_is_tried_again(first: Exception) -> None:
    assert await outcome(Server([first, STORED]), result()) == ["stored"]


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([held(7)], "stored"),
        ([held(8)], "id already used by another input"),
        ([None], "stored"),  # purged meanwhile: it had ended
        ([RequestTimeout("no answer"), held(7)], "stored"),
        ([RequestTimeout("no answer"), held(8)], "id already used by another input"),
    ],
)
async def test_an_id_that_is_held_is_looked_at_until_it_is_known_whose_it_is(answers: list[Any], told: str) -> None:
    assert await outcome(Server([REFUSED] * len(answers), answers), result()) == [told]


async def test_an_id_with_the_sequence_in_it_needs_no_look() -> None:
    assert await outcome(Server([REFUSED]), result("r-7")) == ["stored"]


async def test_what_is_over_is_not_tried_again() -> None:
    late = result()
    late.job.is_over = True
    server = Server([StreamFull(10077, "maximum bytes exceeded"), STORED])
    assert await outcome(server, late) == ["stored"]  # answered for, so that its job is closed
    assert server.asked == 1


class Crowded:
    """A queue with little room, and now and then a bit more."""

    link = SimpleNamespace(max_payload_bytes=1 << 20)

    def __init__(self, room: int) -> None:
        self.room = room
        self.stored: list[str] = []
        self.refused = 0

    def store_many(self, messages: Sequence[Outgoing], deadline_s: float) -> list[asyncio.Future[PubAck]]:
        return [self._store(message) for message in messages]

    def _store(self, message: Outgoing) -> asyncio.Future[PubAck]:
        future: asyncio.Future[PubAck] = asyncio.get_running_loop().create_future()
        if self.room:
            self.room -= 1
            self.stored.append(message.subject)
            future.set_result(STORED)
        else:
            self.refused += 1
            future.set_exception(StreamFull(10077, "maximum bytes exceeded"))
        return future


async def test_when_there_is_room_again_who_waited_longest_is_stored_first() -> None:
    """Whoever came at that moment was: the oldest input could stay open, and what is behind it keeps the queue full."""
    server, told = Crowded(room=3), []
    out = Egress(
        cast(Bus, server),
        "app",
        "task",
        on_stored=lambda stored: told.append(stored.item_id),
        on_refused=lambda refused, reason: told.append(reason),
    )
    ids = [f"r-{number}" for number in range(40)]
    for start in range(0, 40, 8):
        out.store([result(item_id) for item_id in ids[start : start + 8]])
        for _ in range(20):
            await asyncio.sleep(0)
        server.room += 1
    assert server.refused > 0
    server.room = 100
    async with asyncio.timeout(5.0):
        while len(told) < 40:
            await asyncio.sleep(0)
    await out.close()
    assert told == ids
    assert server.stored == [subjects.put("app", "task", item_id) for item_id in ids]
