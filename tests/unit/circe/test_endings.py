"""How a job ends that another attempt may have ended otherwise, when the server or the head is away meanwhile."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest

from circe import endings
from circe.call import Failure
from circe.endings import Endings, Failed
from circe.flow import Flow
from circe.job import Job
from circe.origins import Known
from runtime.app import App
from runtime.bus import Bus
from runtime.bus_errors import RequestTimeout
from runtime.graph import Task, TaskGraph
from runtime.message import PubAck, StoredMessage
from runtime.network import HOME

GRAPH = TaskGraph({"t": Task(name="t", script="s.py", children=(HOME,))}, ("t",))


class Server:
    """Has no letter of anything, and counts those that it gets."""

    link = SimpleNamespace(max_payload_bytes=1 << 20)

    def __init__(self) -> None:
        self.letters: list[str] = []
        self.on_look: Callable[[], None] = lambda: None

    async def last_message(self, stream: str, subject: str) -> StoredMessage | None:
        self.on_look()
        return None

    async def store(self, subject: str, letter: bytes, headers: dict[str, str], deadline_s: float) -> PubAck:
        self.letters.append(subject)
        return PubAck(b'{"stream":"s","seq":1}')


class Kit:
    def __init__(self) -> None:
        self.server = Server()
        self.ends: list[str] = []
        flow = Flow(graph=GRAPH, task="t", incarnation="t-1", draw=itertools.count(1).__next__)
        app = cast(App, SimpleNamespace(name="a", graph=GRAPH))
        self.endings = Endings(
            cast(Bus, self.server),
            app,
            "t",
            "node",
            flow,
            on_buried=lambda job: self.ends.append("buried"),
            on_ended=lambda job: self.ends.append("ended"),
            on_superseded=lambda job: self.ends.append("superseded"),
        )

    async def until_ended(self) -> list[str]:
        async with asyncio.timeout(60.0):
            while not self.ends:
                await asyncio.sleep(0)
        return self.ends


def job(attempt: int) -> Job:
    return Job("head", 1, attempt, "i1", 7, b"x", None, None)


FAILED = Failed(b"x", Failure("no", ""), 1)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for pause in ("REST_S", "LOOK_S", "PAUSE_S"):
        monkeypatch.setattr(endings, pause, 0.0)


async def test_while_the_head_is_silent_no_letter_is_written_however_long_and_then_it_may_count_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter([*50 * [None], Known(2, None)])

    async def ask(*_: object) -> Known | None:
        return next(answers)

    monkeypatch.setattr(endings, "ask", ask)
    kit = Kit()
    kit.endings.bury(job(1), FAILED)
    assert await kit.until_ended() == ["superseded"]
    assert kit.server.letters == []


async def test_an_attempt_that_is_superseded_does_not_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """After one reconnection of everybody there may be dozens of attempts, decided one after the other."""

    async def ask(*_: object) -> Known:
        return Known(4, None)

    monkeypatch.setattr(endings, "ask", ask)
    monkeypatch.setattr(endings, "REST_S", 3600.0)
    kit = Kit()
    kit.endings.bury(job(2), FAILED)
    assert await kit.until_ended() == ["superseded"]


async def test_what_is_over_by_the_time_it_is_known_gives_nothing() -> None:
    kit, late = Kit(), job(2)
    kit.server.on_look = lambda: setattr(late, "is_over", True)
    kit.endings.give(late, lambda: kit.ends.append("given"))
    assert await kit.until_ended() == ["superseded"]


async def test_a_server_that_is_away_is_asked_again() -> None:
    kit, left = Kit(), 3

    def fail() -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            raise RequestTimeout("no answer")

    kit.server.on_look = fail
    kit.endings.give(job(2), lambda: kit.ends.append("given"))
    assert await kit.until_ended() == ["given"]


async def test_what_nobody_foresaw_is_told_so_that_the_process_ends() -> None:
    """Otherwise the job would be listed as held for ever, and its input never sent again."""
    kit = Kit()
    kit.server.on_look = lambda: (_ for _ in ()).throw(ZeroDivisionError("nobody foresaw this"))
    kit.endings.give(job(2), lambda: kit.ends.append("given"))
    async with asyncio.timeout(60.0):
        while not kit.endings.fault:
            await asyncio.sleep(0)
    assert "ZeroDivisionError: nobody foresaw this" in kit.endings.fault
    assert kit.ends == []
