"""What stands in an inner queue and was stored by no worker of ours: refused, acknowledged, and no harm to the rest."""

from __future__ import annotations

from typing import cast

import pytest

from circe import groups
from circe.head import Head
from circe.journal import Journal
from circe.queue_head import queue_of, read_item
from circe.reading import Reader
from runtime import frames, subjects
from runtime.bus import Bus
from runtime.bus_errors import WrongLastSequence
from runtime.item import Frame, Part
from runtime.message import Delivery, StoredMessage
from runtime.refusals import refused

REPLY = "$JS.ACK.jupiter-app-queue=t.app.1.7.7.1700000000000000000.0"
PREFIX = len(subjects.queue("app", "t", ""))
GOOD = subjects.queue("app", "t", "r-1.2")


def delivery(subject: str, headers: bytes = b"") -> Delivery:
    block = b"NATS/1.0\r\n" + headers + b"\r\n" if headers else b""
    return Delivery(subject, b"x", block, REPLY)


BAD = [
    delivery(subjects.queue("app", "t", "é*")),
    delivery(subjects.queue("app", "t", "a..b")),
    delivery(subjects.queue("app", "t", "a" * 5000)),
    delivery(GOOD, b"A: b\nc\r\n"),
    delivery(GOOD, b"A: b\r" + b"c\r\n"),
    delivery(GOOD, b"A: " + b"b" * 100_000 + b"\r\n"),
]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
async def test_what_could_not_travel_is_let_go(bad: Delivery) -> None:
    acknowledged: list[str] = []

    class Acknowledging:
        acknowledge = staticmethod(acknowledged.extend)

    head = Head("t-1", lambda: 7, "t", max_items=10, max_bytes=1000)
    reader = Reader(cast(Bus, Acknowledging()), "app", head, queue_of("app", "t"), lambda latency_s: None)
    before = refused()
    reader._on_delivery(bad)
    assert (acknowledged, refused() - before, head.in_flight) == ([REPLY], 1, 0)


def test_what_is_taken_can_travel() -> None:
    item = read_item(delivery(GOOD, b"A: b\r\n"), "t", PREFIX)
    part = Part(item.sequence, 1, 5, item.item_id, b"x", "", item.headers)
    sent = frames.encode_frame(Frame("t-1", 1, 0, 0, "t", "t-1", [part]))
    assert frames.decode_frame(sent).parts == [part]


class JournalBus:
    """A stream of one subject that somebody else writes to as well."""

    def __init__(self) -> None:
        self.last: StoredMessage | None = None

    def overwrite(self, payload: bytes) -> int:
        sequence = 1 if self.last is None else self.last.sequence + 1
        self.last = StoredMessage("s", payload, {}, sequence, 0.0)
        return sequence

    async def last_message(self, stream: str, subject: str) -> StoredMessage | None:
        return self.last

    async def store(self, subject: str, payload: bytes, headers: dict[str, str], deadline_s: float) -> StoredMessage:
        held = 0 if self.last is None else self.last.sequence
        if int(headers["Nats-Expected-Last-Subject-Sequence"]) != held:
            raise WrongLastSequence(10071, "wrong last sequence")
        self.overwrite(payload)
        assert self.last is not None
        return self.last


async def test_a_journal_that_somebody_wrote_over_is_written_again() -> None:
    bus, before = JournalBus(), refused()
    journal = Journal(cast(Bus, bus), "app", "t", "t-1")
    state = await journal.read()
    assert await journal.write(state)
    kept = bus.last
    bus.overwrite(b"nonsense")
    assert await journal.write(state._replace(high=5))
    assert bus.last is not None and kept is not None and bus.last.payload != kept.payload
    assert refused() == before + 1
    other = Journal(cast(Bus, bus), "app", "t", "t-2")
    assert (await other.read()).high == 5
    assert await other.write(state)
    assert not await journal.write(state)  # a successor is no stranger


async def test_a_journal_that_cannot_be_read_does_not_end_its_worker() -> None:
    bus = JournalBus()
    bus.overwrite(b"nonsense")
    journal = Journal(cast(Bus, bus), "app", "t", "t-1")
    state = await journal.read()
    assert (state.high, state.groups) == (0, ())
    assert await journal.write(state)


def test_what_is_no_group_has_a_dead_letter_as_well() -> None:
    assert groups.shown(groups.pack([b"a", b"b"])) == [b"a", b"b"]
    for payload in (b"", b"x", b"\xc1", b"\x91\x01", b"\x91" * 2000):
        assert groups.shown(payload) == payload
