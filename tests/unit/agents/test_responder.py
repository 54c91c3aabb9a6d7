"""The answering side of probes: what is no probe is refused, and nothing is answered to where an answer would harm."""

from __future__ import annotations

import math
from typing import cast

import pytest

from agents.lease import Lease
from agents.responder import CHUNK_HEADER, LEASE_REQUEST, Responder
from runtime.bus import Bus
from runtime.message import Message
from runtime.refusals import refused


class Answers:
    """What was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []

    def send(self, subject: str, payload: bytes) -> bool:
        self.sent.append((subject, payload))
        return True


def responder(answers: Answers, lease: Lease) -> Responder:
    return Responder(cast(Bus, answers), "n", lease, clock=lambda: 1.0)


@pytest.mark.parametrize("duration_s", [math.nan, math.inf, -math.inf])
def test_a_lease_without_an_end_is_refused(duration_s: float) -> None:
    answers, lease, before = Answers(), Lease(), refused()
    responder(answers, lease)._ask(Message("s", LEASE_REQUEST.pack(duration_s) + b"x", b"", "_INBOX.a"))
    assert (answers.sent, refused() - before) == ([], 1)
    assert lease.take("other", 1.0, 1.0)


@pytest.mark.parametrize("reply", ["", "jupiter.app.example", "$JS.API.STREAM.DELETE.x"])
def test_an_answer_goes_to_an_inbox_and_nowhere_else(reply: str) -> None:
    answers = Answers()
    made = responder(answers, Lease())
    made._ping(Message("s", b"", b"", reply))
    made._ask(Message("s", LEASE_REQUEST.pack(1.0) + b"x", b"", reply))
    made._chunk(Message("s", CHUNK_HEADER.pack(1, 0, 1), b"", reply))
    assert answers.sent == []
    made._ping(Message("s", b"", b"", "_INBOX.a"))
    assert answers.sent == [("_INBOX.a", b"")]


@pytest.mark.parametrize("payload", [b"", b"\x00", b"\xff" * 7, LEASE_REQUEST.pack(1.0) + b"\xff\xfe"])
def test_what_is_no_probe_is_refused(payload: bytes) -> None:
    answers, before = Answers(), refused()
    made = responder(answers, Lease())
    made._ask(Message("s", payload, b"", "_INBOX.a"))
    made._done(Message("s", payload, b"", "_INBOX.a"))
    assert answers.sent == []
    assert refused() - before == 1
