"""A full store: the operator is told, nothing is lost meanwhile, and it goes on by itself when there is room."""

from __future__ import annotations

import asyncio
from pathlib import Path

from deploy import dead
from deploy.doctor import BAD, applications
from deploy.status import app_status
from runtime import subjects
from runtime.app import App
from runtime.bus import Bus
from tests.integration.cluster import Cluster, cluster
from tests.waiting import DEADLINE_S, until

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
LOST = 200
"""Inputs for a task that is not there: the gateway's own dead letters."""


async def full_of_letters(bus: Bus, app: App) -> bool:
    found = await app_status(bus, app)
    return any(trouble["stands"] and "dead letters" in trouble["what"] for trouble in found["troubles"])


async def is_well(bus: Bus, app: App) -> bool:
    return not (await app_status(bus, app))["troubles"]


async def being_read(running: Cluster, app: App) -> int:
    """Inputs that were read and have not ended, by the server's count."""
    state = await running.bus.consumer_state(subjects.ingress_stream(app.name), subjects.INGRESS_CONSUMER)
    assert state is not None
    return state.num_ack_pending


async def is_over(bus: Bus, app: App) -> bool:
    state = await bus.stream_state(subjects.ingress_stream(app.name))
    return state is not None and state.messages == 0


async def test_dead_letters_without_room_hold_the_pipeline_until_there_is_some(tmp_path: Path) -> None:
    (tmp_path / "app_config.yaml").write_text(CONFIG)
    (tmp_path / "picky.py").write_text(PICKY)
    async with cluster(("home",)) as running:
        bus, app = running.bus, await running.submit(tmp_path)
        await running.map(app, {"picky": "home"})
        for _ in range(LOST):
            await bus.store(subjects.ingress(app.name, "nobody"), BAD_ITEM)
        await running.send(app, [BAD_ITEM] * 60 + [GOOD_ITEM] * 20)
        await until(lambda: full_of_letters(bus, app))
        assert BAD in [finding.state for finding in await applications(bus)]
        await asyncio.sleep(1.0)  # whatever might be read beyond the limits
        assert await being_read(running, app) <= 2 * app.limits.in_flight_items
        buried = 0
        async with asyncio.timeout(DEADLINE_S):
            while not await is_over(bus, app):
                buried += await dead.purge(bus, app.name)
                await asyncio.sleep(0.1)
        buried += await dead.purge(bus, app.name)
        results = await bus.stream_state(subjects.egress_stream(app.name))
        assert results is not None
        assert (buried, results.messages) == (60 + LOST, 20)
        await until(lambda: is_well(bus, app))
