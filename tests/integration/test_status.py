"""What the operator is told of an application that does not go on; nothing is lost meanwhile, and then it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy import dead
from deploy.doctor import BAD, applications
from deploy.status import app_status
from deploy.tables import is_news
from runtime import subjects
from runtime.app import App
from tests.integration.cluster import Cluster, cluster
from tests.waiting import DEADLINE_S, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
application:
  codec: json
  limits: {dead_bytes: 64KiB, in_flight_items: 16}
  tasks:
    home: {children: [picky]}
    dag_tasks: [{name: picky, base_script: picky.py, children: [home], retries: 0}]
"""
PICKY = "def process(item, ctx):\n    if item[0] == 'b':\n        raise ValueError('bad')\n    return 'good'\n"
BAD_ITEM, GOOD_ITEM = b'"b%s"' % (b"x" * 2000), b'"g"'
STRAY = 200
"""Inputs for a task that is not there: the gateway's own dead letters."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Cluster]:
    async with cluster(("home",)) as started:
        yield started


class Kit:
    """One application in place."""

    def __init__(self, running: Cluster, app: App) -> None:
        self.running, self.bus, self.app = running, running.bus, app

    async def status(self) -> dict[str, Any]:
        return await app_status(self.bus, self.app)

    async def is_full_of_letters(self) -> bool:
        troubles = (await self.status())["troubles"]
        return any(trouble["stands"] and "dead letters" in trouble["what"] for trouble in troubles)

    async def is_well(self) -> bool:
        status = await self.status()
        return not (status["troubles"] or status["dispatcher"])

    async def being_read(self) -> int:
        """Inputs that were read and have not ended, by the server's count."""
        stream = subjects.ingress_stream(self.app.name)
        state = await self.bus.consumer_state(stream, subjects.INGRESS_CONSUMER)
        assert state is not None
        return state.num_ack_pending

    async def held(self, stream: str) -> int:
        state = await self.bus.stream_state(stream)
        assert state is not None
        return state.messages


async def placed(running: Cluster, folder: Path) -> Kit:
    folder.mkdir()  # noqa: ASYNC240 - once, on a local disk
    (folder / "app_config.yaml").write_text(CONFIG)
    (folder / "picky.py").write_text(PICKY)
    app = await running.submit(folder)
    await running.map(app, {"picky": "home"})
    return Kit(running, app)


async def test_dead_letters_without_room_hold_the_pipeline_until_there_is_some(
    running: Cluster, tmp_path: Path
) -> None:
    kit = await placed(running, tmp_path / "full")
    name = kit.app.name
    for _ in range(STRAY):
        await kit.bus.store(subjects.ingress(name, "nobody"), BAD_ITEM)
    await running.send(kit.app, [BAD_ITEM] * 60 + [GOOD_ITEM] * 20)
    await until(kit.is_full_of_letters)
    assert BAD in [finding.state for finding in await applications(kit.bus)]
    await asyncio.sleep(1.0)  # whatever might be read beyond the limits
    assert await kit.being_read() <= 2 * kit.app.limits.in_flight_items
    buried = 0
    async with asyncio.timeout(DEADLINE_S):
        while await kit.held(subjects.ingress_stream(name)):
            buried += await dead.purge(kit.bus, name)
            await asyncio.sleep(0.1)
    buried += await dead.purge(kit.bus, name)
    assert (buried, await kit.held(subjects.egress_stream(name))) == (60 + STRAY, 20)
    await until(kit.is_well)


async def test_a_mapping_that_is_refused_is_told_until_there_is_another(running: Cluster, tmp_path: Path) -> None:
    kit = await placed(running, tmp_path / "refused")
    await kit.bus.put_record(subjects.mapping(kit.app.name), b"picky: home")

    async def is_told() -> bool:
        status = await kit.status()
        is_seen = status["state"].startswith("not obeyed: the mapping cannot be read")
        return is_seen and is_news(status) and "is refused" in status["dispatcher"]

    await until(is_told)
    await running.map(kit.app, {"picky": "home"})
    await until(kit.is_well)
