"""An application from its first submission to its second life, on real processes: what enters when."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.submit import delete
from runtime import subjects
from runtime.app import App
from tests.integration.cluster import Cluster, Results, cluster

pytestmark = pytest.mark.timeout(180)

SLOW = """
import time

def process(item, ctx):
    time.sleep(float(item))
    return item
"""
CONFIG = """
application:
  tasks:
    home: {children: [slow]}
    dag_tasks:
      - {name: slow, base_script: slow.py, children: [home]}
"""


def write_app(folder: Path) -> Path:
    folder.mkdir()
    (folder / "app_config.yaml").write_text(CONFIG)
    (folder / "slow.py").write_text(SLOW)
    return folder


async def until(running: Cluster, app: App, is_so: Callable[[int], bool]) -> None:
    """Until the number of inputs in the ingress is such."""
    async with asyncio.timeout(60.0):
        while True:
            state = await running.bus.stream_state(subjects.ingress_stream(app.name))
            if state is not None and is_so(state.messages):
                return
            await asyncio.sleep(0.05)


async def dead_letters(running: Cluster, app: App) -> int:
    state = await running.bus.stream_state(subjects.dead_stream(app.name))
    assert state is not None
    return state.messages


async def test_what_enters_before_there_is_a_mapping_waits_for_it(tmp_path: Path) -> None:
    """It became dead letters, because no task took it yet."""
    async with cluster(("home",)) as running:
        app = await running.submit(write_app(tmp_path / "early"))
        await until(running, app, lambda messages: True)
        results = Results()
        await running.bus.subscribe(subjects.egress(app.name), results.take)
        await running.send(app, [b"0.0", b"0.01"])
        await asyncio.sleep(2.0)  # what would be read too early is
        await running.map(app, {"slow": "home"})
        await results.wait_for(2)
        await until(running, app, lambda messages: not messages)
        assert await dead_letters(running, app) == 0


@pytest.mark.parametrize("away", [("gateway",), ("agent home", "slow"), ("gateway", "agent home", "slow")])
async def test_who_does_not_hear_that_an_application_was_deleted_mixes_nothing_up(
    away: tuple[str, ...], tmp_path: Path
) -> None:
    """Inputs of the second life were taken for those of the first that had the same numbers, and were lost."""
    async with cluster(("home",)) as running:
        folder = write_app(tmp_path / "again")
        app = await running.submit(folder)
        await running.map(app, {"slow": "home"})
        await running.send(app, [b"1.5", b"1.5", b"1.5"], "first")
        await asyncio.sleep(0.5)
        for name in away:
            await running.kill(name, signal.SIGSTOP)
        await delete(running.bus, app.name, 30.0)
        await running.submit(folder)
        await until(running, app, lambda messages: not messages)
        results = Results()
        await running.bus.subscribe(subjects.egress(app.name), results.take)
        await running.send(app, [b"0.01", b"0.02", b"0.03"], "second")
        for name in away:
            await running.kill(name, signal.SIGCONT)
        await running.map(app, {"slow": "home"})
        await results.wait_for(3)
        await until(running, app, lambda messages: not messages)
        await asyncio.sleep(2.0)  # what would come too much has had time to
        found = sorted(payload for payloads in results.values.values() for payload in payloads)
        assert found == [b"0.01", b"0.02", b"0.03"]
        assert await dead_letters(running, app) == 0


async def test_an_edit_that_gives_inputs_to_another_task_finishes_those_in_flight(tmp_path: Path) -> None:
    """They waited for the task that had been the first one, and nothing more was read."""
    async with cluster(("home",)) as running:
        folder = write_app(tmp_path / "grown")
        app = await running.submit(folder)
        await running.map(app, {"slow": "home"})
        results = Results()
        await running.bus.subscribe(subjects.egress(app.name), results.take)
        await running.send(app, [b"0.02"] * 200)
        await results.wait_for(10)
        before = (
            "home: {children: [before]}\n    dag_tasks:\n      - {name: before, base_script: a.py, children: [slow]}"
        )
        config = CONFIG.replace("home: {children: [slow]}\n    dag_tasks:", before)
        (folder / "app_config.yaml").write_text(config)
        (folder / "a.py").write_text("def process(item, ctx):\n    return item\n")
        edited = await running.submit(folder)
        await running.map(edited, {"slow": "home", "before": "home"})
        await results.wait_for(200)
        await until(running, app, lambda messages: not messages)
        assert results.twice() == []
        assert await dead_letters(running, app) == 0


async def test_what_is_for_a_task_that_an_edit_brings_waits_for_it(tmp_path: Path) -> None:
    """It became a dead letter, because the version in force had no such task."""
    async with cluster(("home",)) as running:
        folder = write_app(tmp_path / "second")
        app = await running.submit(folder)
        await running.map(app, {"slow": "home"})
        config = CONFIG.replace("[slow]", "[slow, other]", 1)
        more = "      - {name: other, base_script: slow.py, children: [home]}\n"
        (folder / "app_config.yaml").write_text(config + more)
        edited = await running.submit(folder)
        results = Results()
        await running.bus.subscribe(subjects.egress(app.name), results.take)
        await until(running, app, lambda messages: True)
        await asyncio.sleep(1.0)  # the gateway hears of the edit long before it is in place
        await running.bus.store_until(subjects.ingress(app.name, "other"), b"0.01")
        await asyncio.sleep(1.0)
        await running.map(edited, {"slow": "home", "other": "home"})
        await results.wait_for(1)
        await until(running, app, lambda messages: not messages)
        assert await dead_letters(running, app) == 0
