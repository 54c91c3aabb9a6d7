"""How jobs end that have rivals: attempts that count no more do not hold up the one that does."""

from __future__ import annotations

import asyncio
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
from runtime.graph import Task, TaskGraph
from runtime.network import HOME

APP = App(name="x", graph=TaskGraph({"a": Task(name="a", script="a.py", children=(HOME,))}, ("a",)), digest="d")
FAILED = Failed(b"v", Failure("ValueError: no", ""), 1)


async def test_an_attempt_that_is_superseded_does_not_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """After one reconnection of everybody there may be dozens of attempts, decided one after the other."""

    async def ask(*_: object) -> Known:
        return Known(4, None)

    monkeypatch.setattr(endings, "ask", ask)
    monkeypatch.setattr(endings, "REST_S", 3600.0)
    superseded = asyncio.Queue[Job]()
    made = Endings(
        cast(Bus, None), APP, "a", "node1", cast(Flow, SimpleNamespace(is_first=lambda job: True)),
        on_buried=pytest.fail, on_ended=pytest.fail, on_superseded=superseded.put_nowait,
    )  # fmt: skip
    job = Job("h", 1, 2, "r-1", 0, b"v", None, None)
    made.bury(job, FAILED)
    assert await superseded.get() is job
    await made.close()
