"""Dead letters on a real Jupiter: sent again, an item gets its result under its own id, and nothing comes twice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy import dead
from runtime import subjects
from runtime.app import App
from runtime.message import Message
from tests.integration.cluster import Cluster, cluster

pytestmark = pytest.mark.asyncio(loop_scope="module")

DIAMOND = """
      - {name: split, base_script: same.py, children: [left, right]}
      - {name: left, base_script: failing.py, children: [meet], retries: 0}
      - {name: right, base_script: same.py, children: [meet]}
      - {name: meet, base_script: same.py, children: [home]}
"""
BURST = """
      - {name: split, base_script: burst.py, children: [left]}
      - {name: left, base_script: failing.py, children: [home], retries: 0}
"""
SAME = "def process(item, ctx):\n    return item\n"
BURST_SCRIPT = "def process(item, ctx):\n    for number in range(3):\n        yield item * 10 + number\n"
FAILING = """
import pathlib

def process(item, ctx):
    if item in json_list(pathlib.Path({path!r}).read_text()):
        raise ValueError(f"not {{item}}")
    return item

def json_list(text):
    return [int(word) for word in text.split()]
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Cluster]:
    async with cluster(("home",)) as started:
        yield started


class Kit:
    """One application whose task `left` fails on the values that `fail` names."""

    def __init__(self, running: Cluster, app: App, file: Path) -> None:
        self.running = running
        self.bus = running.bus
        self.app = app
        self._file = file
        self.results: list[tuple[str, int, Any]] = []

    def take(self, message: Message) -> None:
        item_id = message.subject.split(".", 4)[4].split("-", 1)[1]
        self.results.append((item_id, int(message.headers["Jupiter-Input"]), json.loads(message.payload)))

    def fail(self, *values: int) -> None:
        self._file.write_text(" ".join(map(str, values)))

    async def ended(self) -> None:
        await self.running.ended(self.app)

    async def letters(self) -> list[dict[str, Any]]:
        return await dead.letters(self.bus, self.app.name)

    async def replay(self) -> dead.Replayed:
        done = await dead.replay(self.bus, self.app)
        await self.ended()
        return done


@asynccontextmanager
async def failing(running: Cluster, folder: Path, tasks: str) -> AsyncIterator[Kit]:
    folder.mkdir()  # noqa: ASYNC240 - once, on a local disk
    file = folder.parent / f"{folder.name}.txt"
    (folder / "app_config.yaml").write_text(
        f"application:\n  codec: json\n  tasks:\n    home: {{children: [split]}}\n    dag_tasks:{tasks}"
    )
    scripts = {"same": SAME, "burst": BURST_SCRIPT, "failing": FAILING.format(path=str(file))}
    for name, script in scripts.items():
        (folder / f"{name}.py").write_text(script)
    app = await running.submit(folder)
    kit = Kit(running, app, file)
    kit.fail()
    await running.bus.subscribe(subjects.egress(app.name), kit.take)
    await running.map(app, dict.fromkeys(app.graph.tasks, "home"))
    try:
        yield kit
    finally:
        await running.bus.delete_record(subjects.CONTROL_STREAM, subjects.app(app.name))


async def test_a_replayed_item_gets_its_result_under_its_own_id(running: Cluster, tmp_path: Path) -> None:
    async with failing(running, tmp_path / "own", DIAMOND) as kit:
        kit.fail(2, 5)
        for number in range(6):
            headers = {"Nats-Msg-Id": f"mine-{number}"} if number % 2 else None
            await kit.bus.store(subjects.ingress("own"), str(number).encode(), headers)
        await kit.ended()
        assert sorted(value["left"] for _, _, value in kit.results) == [0, 1, 3, 4]
        found = await kit.letters()
        assert [letter["id"].split("-", 1)[1] for letter in found] == ["3", "~mine-5"]
        assert [letter["seq"] for letter in found] == [3, 6]
        # It fails once more: another letter, of the same item.
        assert await kit.replay() == dead.Replayed(sent=2, kept=0)
        again = await kit.letters()
        assert [(letter["id"], letter["seq"]) for letter in again] == [
            (letter["id"], letter["seq"]) for letter in found
        ]
        assert again[0]["number"] > found[-1]["number"]
        kit.fail()
        assert await kit.replay() == dead.Replayed(sent=2, kept=0)
        assert await kit.letters() == []
        parts = {"left": 2, "right": 2}, {"left": 5, "right": 5}
        assert kit.results[4:] == [("3", 3, parts[0]), ("~mine-5", 6, parts[1])]
        assert await kit.replay() == dead.Replayed(sent=0, kept=0)


async def test_results_that_were_read_and_let_go_do_not_come_again(running: Cluster, tmp_path: Path) -> None:
    async with failing(running, tmp_path / "burst", BURST) as kit:
        kit.fail(11)
        for number in range(2):
            await kit.bus.store(subjects.ingress("burst"), str(number).encode())
        await kit.ended()
        assert sorted(value for _, _, value in kit.results) == [0, 1, 2, 10, 12]
        await kit.bus.purge(subjects.egress_stream("burst"))
        kit.fail()
        assert await kit.replay() == dead.Replayed(sent=1, kept=0)
        assert kit.results[5:] == [("2.2", 2, 11)]
        assert await kit.letters() == []


async def test_an_id_that_another_input_has_used_is_not_confused(running: Cluster, tmp_path: Path) -> None:
    async with failing(running, tmp_path / "used", BURST.replace("burst.py", "same.py")) as kit:
        kit.fail(7)
        await kit.bus.store(subjects.ingress("used"), b"7", {"Nats-Msg-Id": "mine"})
        await kit.ended()
        (letter,) = await kit.letters()
        # Long after, another input comes under the same id, and succeeds.
        subject = subjects.put("used", "left", letter["id"])
        await kit.bus.store(subject, b"8", {"Jupiter-Input": "99"})
        kit.fail()
        await kit.replay()
        (letter,) = await kit.letters()
        assert letter["error"] == "id already used by another input"
        assert letter["seq"] == 1
        await kit.bus.purge(subjects.egress_stream("used"))
        await kit.replay()
        assert kit.results == [("~mine", 99, 8), ("~mine", 1, 7)]
        assert await kit.letters() == []


async def test_an_input_that_nobody_took_enters_once_somebody_does(running: Cluster, tmp_path: Path) -> None:
    async with failing(running, tmp_path / "nobody", DIAMOND) as kit:
        await kit.bus.store(subjects.ingress("nobody", "nobody"), b"1", {"Kind": "test"})
        await kit.ended()
        (letter,) = await kit.letters()
        assert letter["root"] == {"id": letter["id"], "task": "nobody", "headers": {"Kind": "test"}}
        assert await kit.replay() == dead.Replayed(sent=1, kept=0)
        (again,) = await kit.letters()
        assert (again["id"], again["seq"]) == (letter["id"], letter["seq"])
        assert again["number"] > letter["number"]


async def test_a_header_that_nobody_of_ours_wrote_is_nothing(running: Cluster, tmp_path: Path) -> None:
    async with failing(running, tmp_path / "forged", DIAMOND) as kit:
        for text in ("x", '[1,"another-run-1",[]]', '[9,"run-17.>",[]]'):
            await kit.bus.store(subjects.ingress("forged"), b"1", {subjects.REPLAY_HEADER: text})
        await kit.ended()
        assert [item_id for item_id, _, _ in kit.results] == ["1", "2", "3"]
