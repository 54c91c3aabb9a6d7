"""A gather under load with everybody around it killed or stopped at random moments: every item is in one group.

`jupiter verify` gives each item a group of its own: which items share one is not the items' own affair. A longer one:
`JUPITER_GATHER_FAULTS=200 pytest -m faults tests/faults/test_gathers.py -s`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from circe.pulse import LEASE_S
from runtime import subjects
from runtime.app import App
from runtime.bus_errors import BusFault
from tests.integration.cluster import Cluster, cluster
from tests.integration.test_diamond import spread
from tests.integration.test_gather import write

FAULTS = int(os.environ.get("JUPITER_GATHER_FAULTS", "12"))
SEED = int(os.environ.get("JUPITER_GATHER_SEED", "5"))
KINDS = (*["group"] * 3, "last", "pass", "gateway", "dispatcher", "agent node1", "server", "stop", "move", "edit")

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120 + 20 * FAULTS)]


async def test_every_item_is_in_one_group_whatever_happens(tmp_path: Path) -> None:
    rng = Random(SEED)
    async with cluster() as running:
        folder = write(tmp_path / "groups", "gather: {count: 20, within_s: 0.5}")
        app = await running.submit(folder)
        await running.map(app, spread(app))
        ending = asyncio.Event()
        sending = asyncio.create_task(send_until(ending, running, app))
        for _ in range(FAULTS):
            await asyncio.sleep(rng.uniform(0.2, 2.0))
            app = await happen(running, app, folder, rng, rng.choice(KINDS))
        ending.set()
        sent = await sending
        await running.ended(app)
        stream, subject = subjects.egress_stream(app.name), subjects.put(app.name, "*", ">")
        groups = [json.loads(message.payload) for message in await running.bus.read_stream(stream, subject)]
        found = Counter(item for group in groups for item in group)
        assert found == Counter(range(sent))
        assert all(len({item % 7 for item in group}) == 1 for group in groups)
        sizes = sorted(Counter(map(len, groups)).items())
        print(f"{sent} items in {len(groups)} groups, {FAULTS} faults, sizes {sizes}")


async def send_until(ending: asyncio.Event, running: Cluster, app: App) -> int:
    """Some thousand a second, each until it is taken; how many they were."""
    sent = 0
    while not ending.is_set():
        try:
            await running.send(app, [str(item).encode() for item in range(sent, sent + 50)], f"from {sent}")
            sent += 50
        except BusFault:
            continue  # perhaps taken, perhaps not: their ids tell
        finally:
            await asyncio.sleep(0.05)
    return sent


async def happen(running: Cluster, app: App, folder: Path, rng: Random, kind: str) -> App:
    """The application in force after it."""
    if kind == "server":
        await running.server.kill()
        await asyncio.sleep(rng.uniform(0.0, 2.0))
        await running.server.restart()
    elif kind == "stop":
        await running.kill("group", signal.SIGSTOP)
        await asyncio.sleep(rng.choice([1.0, LEASE_S + 2.0]))
        await running.kill("group", signal.SIGCONT)
    elif kind == "move":
        await running.map(app, spread(app, *rng.sample(["home", "node1"], 2)))
    elif kind == "edit":
        with (folder / "group.py").open("a") as script:
            script.write("# another line\n")
        app = await running.submit(folder)
        await running.wait_for_edges(app)
    else:
        await running.kill(kind)
    return app
