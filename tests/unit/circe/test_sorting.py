"""User code of a gather: asked for the group of an item, and called with a group."""

from __future__ import annotations

from pathlib import Path

import pytest

from circe.call import Call, Failure
from circe.groups import pack
from circe.head import Input
from circe.job import Job
from circe.outputs import Output
from circe.sorting import Member, member
from runtime import loader
from runtime.codec import CODECS
from runtime.context import Context
from runtime.graph import Gather, Task
from tests.unit.runtime.app_folder import write

SCRIPT = """
def key(item, ctx):
    return 12 // item


def closes(item, ctx):
    return item == 3


{kind} process(items, ctx):
    return sum(items)
"""
JSON = CODECS["json"]


@pytest.fixture(params=["def", "async def"])
def call(request: pytest.FixtureRequest, tmp_path: Path) -> Call:
    folder = write(tmp_path / "demo", "", g=SCRIPT.format(kind=request.param))
    user_task = loader.load_task("demo", Task(name="g", script="g.py", gather=Gather()), folder)
    request.addfinalizer(loader.forget)
    return Call(user_task, Context(app="demo", task="g", node="n"), JSON, JSON, gathers=True)


async def called(call: Call, job: Job) -> list[Output] | Failure:
    return await call.run_async(job) if call.user_task.is_async else call.run(job)  # type: ignore[return-value] # no files


def asked(payload: bytes) -> Member:
    return member(Input(5, "r-5", payload, None, None, "token"), "g-1")


async def test_an_item_is_asked_for_its_group(call: Call) -> None:
    for payload, key, is_last in ((b"4", "3", False), (b"3", "4", True)):
        job = asked(payload)
        assert await called(call, job) == []
        assert (job.root, job.item_id, job.key, job.is_last) == (5, "r-5", key, is_last)


@pytest.mark.parametrize(("payload", "error"), [(b"0", "ZeroDivisionError"), (b"{", "JSONDecodeError")])
async def test_what_cannot_be_said_is_the_items_error(call: Call, payload: bytes, error: str) -> None:
    found = await called(call, asked(payload))
    assert isinstance(found, Failure)
    assert error in found.error


async def test_a_group_is_a_list(call: Call) -> None:
    job = Job("g-1", 5, 1, "r-5.~3", 0, pack([b"1", b"2", b"4"]), None, "g-1")
    assert await called(call, job) == [Output(b"7", None, True)]


async def test_what_is_no_group_is_its_own_error(call: Call) -> None:
    found = await called(call, Job("g-1", 5, 1, "r-5.~3", 0, b"what?", None, "g-1"))
    assert isinstance(found, Failure)
    assert "ValueError" in found.error
