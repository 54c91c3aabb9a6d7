"""Items too big for messages around user code: as files before it, out of its way after it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

from circe.call import MOST_DECODED_BYTES, Call, Failure, Outcome
from circe.carrying import MOST_FETCHED, MOST_PUTTING, Carried, Carrying
from circe.job import Job
from circe.objects import TaskObjects
from circe.outputs import Given, Output
from runtime import codec
from runtime.context import Context
from runtime.loader import UserTask, kind_of
from runtime.object_files import ObjectError
from runtime.reference import Payload, Reference

SHA = "ab" * 32
FILE_BYTES = 100


def job(inputs: Payload | dict[str, Payload], root: int = 1) -> Job:
    return Job("head", root, 1, f"run-{root}", 7, inputs, None, "sender")


def call(process: Callable[..., Any], scratch: Path, name: str = "bytes") -> Call:
    user_task = UserTask(name="work", module=ModuleType("work"), process=process, kind=kind_of(process))
    context = Context(app="app", task="work", node="n", children=("home",), scratch_root=scratch)
    return Call(user_task, context, codec.CODECS[name], codec.CODECS[name], file_bytes=FILE_BYTES)


def fetched(folder: Path, *sizes: int) -> Job:
    """A join's job whose parents' payloads lie in files."""
    folder.mkdir()
    found = job({f"p{size}": Reference(f"o{size}", size, SHA) for size in sizes})
    opened: dict[str, Given] = {}
    for size in sizes:
        path = folder / f"p{size}"
        path.write_bytes(bytes(size))
        opened[f"p{size}"] = path
    found.opened, found.folder = opened, folder
    return found


def test_user_code_gets_bytes_up_to_the_limit_and_a_file_above_it(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}
    call(lambda item, ctx: seen.update(item), tmp_path).run(fetched(tmp_path / "in", FILE_BYTES, FILE_BYTES + 1))
    assert seen == {"p100": bytes(FILE_BYTES), "p101": tmp_path / "in" / "p101"}


def test_a_file_in_scratch_is_an_output_and_stays_until_it_was_taken(tmp_path: Path) -> None:
    def process(item: Any, ctx: Context) -> Path:
        path = ctx.scratch / "result"
        path.write_bytes(b"large")
        return path

    found = job(b"")
    outputs = call(process, tmp_path / "scratch").run(found)
    assert not isinstance(outputs, Failure)
    (output,) = outputs
    assert isinstance(output.payload, Path) and output.payload.read_bytes() == b"large"
    assert found.scratch == output.payload.parent


def test_an_input_file_may_be_given_on(tmp_path: Path) -> None:
    found = fetched(tmp_path / "in", FILE_BYTES + 1)
    outputs = call(lambda item, ctx: item["p101"], tmp_path).run(found)
    assert not isinstance(outputs, Failure)
    assert outputs[0].payload == tmp_path / "in" / "p101"


@pytest.mark.parametrize(
    "process", [lambda item, ctx: len(str(ctx.scratch)) * b"x", lambda item, ctx: 1 / len(str(ctx.scratch)[:0])]
)
def test_scratch_that_no_output_lies_in_is_removed(process: Callable[..., Any], tmp_path: Path) -> None:
    found = job(b"")
    call(process, tmp_path / "scratch").run(found)
    assert found.scratch is None
    assert list((tmp_path / "scratch").iterdir()) == []


def test_another_file_is_refused_because_it_may_change(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"x")
    outputs = call(lambda item, ctx: tmp_path / "mine", tmp_path / "scratch").run(job(b""))
    assert isinstance(outputs, Failure)
    assert "not in ctx.scratch" in outputs.error


def test_other_codecs_say_what_they_cannot_hold(tmp_path: Path) -> None:
    def size_fault(name: str, size_bytes: int) -> str:
        return call(print, tmp_path, name).size_fault(job(Reference("o", size_bytes, SHA)))

    assert size_fault("json", MOST_DECODED_BYTES) == ""
    assert "use codec bytes" in size_fault("json", MOST_DECODED_BYTES + 1)
    assert size_fault("bytes", 1 << 40) == ""


class Store:
    """Fetches when told to; puts when told to. A payload over ten bytes is too big for a message."""

    limit_bytes = 10

    def __init__(self) -> None:
        self.fetching: list[Job] = []
        self.putting: list[Job] = []
        self.discarded: list[Job] = []
        self.fault: Exception | None = None
        self.gate = asyncio.Event()

    async def fetch(self, found: Job) -> None:
        self.fetching.append(found)
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        found.opened = b"fetched"

    async def put(self, found: Job, outputs: Sequence[Output[Given]]) -> list[Output[Payload]]:
        self.putting.append(found)
        await self.gate.wait()
        return [Output(Reference("o", 11, SHA))]

    async def discard(self, found: Job) -> None:
        self.discarded.append(found)
        found.folder = found.scratch = None


class Inner:
    """A runner that does what the test says."""

    limit = 8

    def __init__(self, on_outcomes: Callable[[list[Outcome]], None]) -> None:
        self.on_outcomes = on_outcomes
        self.jobs: list[Job] = []
        self.rests = False

    def submit(self, jobs: Sequence[Job]) -> None:
        self.jobs += jobs

    def submit_alone(self, found: Job) -> None:
        self.jobs.append(found)

    def rest(self) -> None:
        self.rests = True

    def go_on(self) -> None:
        self.rests = False

    async def close(self) -> None: ...


class Rig:
    def __init__(self, tmp_path: Path) -> None:
        self.store = Store()
        self.carried: list[Carried] = []
        self.made: list[Inner] = []
        self.carrying = Carrying(self._make, self.carried.extend, call(print, tmp_path), cast(TaskObjects, self.store))

    def _make(self, on_outcomes: Callable[[list[Outcome]], None]) -> Inner:
        self.made.append(Inner(on_outcomes))
        return self.made[0]

    @property
    def inner(self) -> Inner:
        return self.made[0]

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


async def test_small_items_go_past_those_that_are_fetched(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    large = [job(Reference("o", 99, SHA), root) for root in range(1, 5)]
    small = [job(b"x", root) for root in range(5, 8)]
    rig.carrying.submit([*large, *small])
    await rig.settle()
    assert rig.inner.jobs == small
    assert len(rig.store.fetching) == MOST_FETCHED
    assert rig.carrying.fetching == len(large)
    rig.store.gate.set()
    await rig.settle()
    assert rig.inner.jobs == [*small, *large[:MOST_FETCHED]]
    rig.inner.on_outcomes([Outcome(large[0], [Output(b"done")], 0.1)])
    await rig.settle()
    assert rig.inner.jobs == [*small, *large[: MOST_FETCHED + 1]]
    await rig.carrying.close()


async def test_a_try_that_failed_keeps_its_place_and_its_files(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.store.gate.set()
    found = job({"left": Reference("o", 99, SHA), "right": b"x"})
    rig.carrying.submit([found])
    await rig.settle()
    found.folder = tmp_path
    rig.inner.on_outcomes([Outcome(found, Failure("no", ""), 0.1)])
    await rig.settle()
    assert found.opened == b"fetched"
    rig.carrying.submit([found])
    await rig.settle()
    assert rig.inner.jobs == [found, found]
    rig.carrying.discard(found)
    await rig.settle()
    assert rig.store.discarded == [found]
    await rig.carrying.close()


@pytest.mark.parametrize("fault", [ObjectError("gone"), OSError("disk full")])
async def test_what_cannot_be_fetched_is_a_failure_of_the_item(fault: Exception, tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.store.fault = fault
    rig.store.gate.set()
    found = job(Reference("o", 99, SHA))
    rig.carrying.submit([found])
    await rig.settle()
    assert rig.inner.jobs == []
    assert rig.carried == [(found, Failure(str(fault), ""), 0.0)]
    await rig.carrying.close()


async def test_user_code_rests_while_outputs_wait_for_the_store(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    jobs = [job(b"x", root) for root in range(1, MOST_PUTTING + 1)]
    for found in jobs:
        assert not rig.inner.rests
        rig.inner.on_outcomes([Outcome(found, [Output(bytes(11))], 0.5)])
        await rig.settle()
    assert rig.inner.rests
    small = job(b"x", 99)
    rig.inner.on_outcomes([Outcome(small, [Output(b"small")], 0.5)])
    assert [each[0] for each in rig.carried] == [small]
    rig.store.gate.set()
    await rig.settle()
    assert not rig.inner.rests
    assert [each[0] for each in rig.carried] == [small, *jobs]
    assert rig.carried[1][1] == [Output(Reference("o", 11, SHA))]
    await rig.carrying.close()
