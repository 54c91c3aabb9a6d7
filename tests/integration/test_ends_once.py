"""User code that fails at one time and not at another: what was stored first holds, be it a result or a dead letter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from deploy import dead
from runtime import subjects
from runtime.app import App
from runtime.message import Message
from tests.integration.cluster import Cluster, cluster

pytestmark = [pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="module")]

FLAKY = """
import pathlib

def process(item, ctx):
    if not pathlib.Path({flag!r}).exists():
        raise ValueError("not now")
    return item
"""
TWO = """
import pathlib

def process(item, ctx):
    if not pathlib.Path({flag!r}).exists():
        raise ValueError("not now")
    yield item
    yield item
"""
SLOW = """
import pathlib, time

def process(item, ctx):
    while not pathlib.Path({gate!r}).exists():
        time.sleep(0.05)
    return item
"""
SAME = "def process(item, ctx):\n    return item\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Cluster]:
    async with cluster(("home",)) as started:
        yield started


class Kit:
    """An application with tasks that fail while `flag` is absent, and one that holds inputs open until `gate` is
    there: whatever dies then, they are sent again."""

    def __init__(self, running: Cluster, app: App, folder: Path) -> None:
        self.running, self.app = running, app
        self.flag, self.gate = folder / "flag", folder / "gate"
        self.results: list[str] = []

    def take(self, message: Message) -> None:
        self.results.append(message.subject.split(".")[3])

    async def letters(self) -> list[str]:
        return [letter["task"] for letter in await dead.letters(self.running.bus, self.app.name)]

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(40.0):
            while not is_so():
                await asyncio.sleep(0.02)

    async def until_letters(self, *tasks: str) -> None:
        async with asyncio.timeout(40.0):
            while await self.letters() != list(tasks):
                await asyncio.sleep(0.02)

    async def again(self, victim: str) -> None:
        """Have all that is in flight sent again, and wait for its end."""
        before = await self.running.wait_for_edges(self.app)
        await self.running.kill(victim)
        await self.running.wait_for_edges(
            self.app, lambda edges: (edges.gateway, edges.workers) != (before.gateway, before.workers)
        )
        self.gate.touch()
        async with asyncio.timeout(40.0):
            stream = subjects.ingress_stream(self.app.name)
            while (state := await self.running.bus.stream_state(stream)) is None or state.messages:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def flaky(running: Cluster, tmp_path: Path, name: str, tasks: str) -> AsyncIterator[Kit]:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "app_config.yaml").write_text(
        f"application:\n  codec: json\n  tasks:\n    home: {{children: [split]}}\n    dag_tasks:\n{tasks}"
    )
    paths = {"flag": str(tmp_path / "flag"), "gate": str(tmp_path / "gate")}
    for script, text in {"flaky": FLAKY, "two": TWO, "slow": SLOW}.items():
        (folder / f"{script}.py").write_text(text.format(**paths))
    (folder / "same.py").write_text(SAME)
    app = await running.submit(folder)
    kit = Kit(running, app, tmp_path)
    await running.bus.subscribe(subjects.egress(app.name), kit.take)
    await running.map(app, dict.fromkeys(app.graph.tasks, "home"))
    try:
        yield kit
    finally:
        await running.bus.delete_record(subjects.CONTROL_STREAM, subjects.app(app.name))


SIDES = """
      - {name: split, base_script: same.py, children: [flaky, slow]}
      - {name: flaky, base_script: %s.py, children: [home], retries: 0}
      - {name: slow, base_script: slow.py, children: [home]}
"""


async def send(kit: Kit) -> None:
    await kit.running.bus.store(subjects.ingress(kit.app.name), b"1")


@pytest.mark.parametrize("victim", ["slow", "gateway"])
async def test_a_dead_letter_holds_when_the_next_attempt_would_succeed(
    running: Cluster, tmp_path: Path, victim: str
) -> None:
    async with flaky(running, tmp_path, f"buried-{victim}", SIDES % "flaky") as kit:
        await send(kit)
        await kit.until_letters("flaky")
        kit.flag.touch()
        await kit.again(victim)
        assert await kit.letters() == ["flaky"]
        assert kit.results == ["slow"]
        assert (await dead.replay(running.bus, kit.app)).sent == 1
        await kit.until(lambda: kit.results == ["slow", "flaky"])
        assert await kit.letters() == []


@pytest.mark.parametrize("victim", ["slow", "gateway"])
@pytest.mark.parametrize(("script", "results"), [("flaky", 1), ("two", 2)])
async def test_results_hold_when_the_next_attempt_fails(
    running: Cluster, tmp_path: Path, victim: str, script: str, results: int
) -> None:
    async with flaky(running, tmp_path, f"given-{script}-{victim}", SIDES % script) as kit:
        kit.flag.touch()
        await send(kit)
        await kit.until(lambda: kit.results == ["flaky"] * results)
        kit.flag.unlink()
        await kit.again(victim)
        assert await kit.letters() == []
        assert sorted(kit.results) == ["flaky"] * results + ["slow"]


INSIDE = """
      - {name: split, base_script: same.py, children: [flaky, slow]}
      - {name: flaky, base_script: flaky.py, children: [last], retries: 0}
      - {name: last, base_script: same.py, children: [home], edge: %s}
      - {name: slow, base_script: slow.py, children: [home]}
"""


@pytest.mark.parametrize("edge", ["direct", "queued"])
async def test_what_a_task_inside_has_led_to_holds_when_it_fails_the_next_time(
    running: Cluster, tmp_path: Path, edge: str
) -> None:
    async with flaky(running, tmp_path, f"inside-{edge}", INSIDE % edge) as kit:
        kit.flag.touch()
        await send(kit)
        await kit.until(lambda: kit.results == ["last"])
        kit.flag.unlink()
        await kit.again("slow")
        assert await kit.letters() == []
        assert sorted(kit.results) == ["last", "slow"]
