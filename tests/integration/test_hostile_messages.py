"""Thousands of messages that nobody of ours would send, while items flow: refused and counted, and that is all."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from deploy import dead, status
from deploy.watch import look
from runtime import subjects
from runtime.app import App
from runtime.message import encode_publish
from tests.acceptance.command import application
from tests.integration.cluster import Cluster, Results, cluster, live, processes
from tests.integration.hostile import blows
from tests.integration.memory import peak_bytes
from tests.waiting import until

TASKS = """
    - {name: split, base_script: split.py, children: [count, length], input_codec: text}
    - {name: count, base_script: count.py, children: [merge]}
    - {name: length, base_script: count.py, children: [merge]}
    - {name: merge, base_script: merge.py, children: [stored]}
    - {name: stored, base_script: merge.py, children: [grouped], edge: queued}
    - {name: grouped, base_script: count.py, children: [home], gather: {count: 1, within_s: 1}}
"""
"""Of everything that listens on the bus, one: a fork, a join, a queue, a gather."""
SCRIPTS = {
    "split": "def process(item, ctx):\n    return item.split()\n",
    "count": "def process(item, ctx):\n    return len(item)\n",
    "merge": "def process(item, ctx):\n    return item\n",
}
SEED = int(os.environ.get("JUPITER_HOSTILE_SEED", "1"))
AT_ONCE = 50
ITEMS_EACH = 20
MOST_PEAK_BYTES = 200 << 20
FEW_LINES, FEW_LINES_PER_S = 600, 20
"""Of all processes together: each has its bound for each kind of line (`runtime.log_limit`)."""
ITEMS_SAY = "circe.attempts"
"""That has none: what is well formed is an item, and fails with a line for each try."""


async def samples(running: Cluster, app: App) -> dict[str, bytes]:
    """The records that there are."""
    found = {}
    for stream in (subjects.CONTROL_STREAM, subjects.PROFILE_STREAM, subjects.STATUS_STREAM):
        for record in await running.bus.snapshot(stream, "jupiter.>"):
            found[record.subject] = record.payload or b"{}"
    assert subjects.app(app.name) in found
    return found


class Own(Results):
    """Of the inputs that were sent; a well-formed frame of a stranger may have led to others."""

    def __init__(self, run: str) -> None:
        super().__init__()
        self._run = run

    def own(self) -> dict[str, list[bytes]]:
        return {item_id: found for item_id, found in self.values.items() if item_id.startswith(f"{self._run}-")}

    async def wait_for_own(self, count: int) -> None:
        await until(lambda: len(self.own()) >= count)


async def under_fire(running: Cluster, app: App, count: int, results: Own) -> int:
    """Hostile messages and items in turn; how many items."""
    edges = await running.wait_for_edges(app)
    sent = 0
    for number, blow in enumerate(blows(SEED, app, edges, await samples(running, app), count)):
        running.bus.link.write(encode_publish(blow.subject, blow.payload, blow.block, blow.reply))
        if number % AT_ONCE == AT_ONCE - 1:
            await running.bus.flush()
            await running.send(app, [b"one two"] * ITEMS_EACH, f"under fire {number}")
            sent += ITEMS_EACH
            await results.wait_for_own(sent)
    return sent


async def fire(count: int, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    began_s = time.monotonic()
    async with cluster(("home", "node1"), mapper=True) as running:
        app = await running.submit(application(folder / "example", TASKS, before="codec: json", **SCRIPTS))
        await running.map(app, {task: ("home", "node1")[n % 2] for n, task in enumerate(app.graph.tasks)})
        state = await running.bus.stream_state(subjects.ingress_stream(app.name))
        assert state is not None
        results = Own(state.metadata["jupiter-run"])
        await running.bus.subscribe(subjects.egress(app.name), results.take)
        await running.send(app, [b"one two"] * ITEMS_EACH, "before")
        await results.wait_for_own(ITEMS_EACH)
        before = (await running.wait_for_edges(app)).workers
        sent = ITEMS_EACH + await under_fire(running, app, count, results)
        await running.send(app, [b"one two"] * ITEMS_EACH, "after")
        await results.wait_for_own(sent + ITEMS_EACH)
        own = results.own()
        assert {len(found) for found in own.values()} == {1}
        assert len({payload for (payload,) in own.values()}) == 1
        assert running.deaths.total() == 0
        assert (await running.wait_for_edges(app)).workers == before
        refused = await refusals(running, app)
        assert sum(refused.values()) > count / 2, refused
        peaks = {pid: peak_bytes(pid) for pid in processes(running.server.url)}
        assert max(peaks.values()) < MOST_PEAK_BYTES, peaks
        letters = await dead.letters(running.bus, app.name)
        assert letters
        assert (await dead.replay(running.bus, app)).sent < len(letters)  # what strangers wrote has no input to replay
    lines = [line for line in capfd.readouterr().err.splitlines() if ITEMS_SAY not in line]
    assert len(lines) < FEW_LINES + FEW_LINES_PER_S * (time.monotonic() - began_s), lines[:50]
    place = next((number for number, line in enumerate(lines) if "Traceback" in line), None)
    assert place is None, "\n".join(lines[place : place + 30])
    print(f"{count} messages; refused {refused}; most memory {max(peaks.values()) >> 20} MiB; {len(lines)} log lines")


async def refusals(running: Cluster, app: App) -> dict[str, int]:
    """What every process says that it has refused, once all have said it."""

    async def told() -> dict[str, int]:
        picture = await look(running.bus, app.name)
        edges = picture.edges
        names = {} if edges is None else dict(live(edges)) | {"home": edges.gateway}
        found = {task: picture.beats[str(name)].counts for task, name in names.items() if name in picture.beats}
        nodes = {node["node"]: node["refused"] for node in await status.nodes(running.bus)}
        found |= {beat.task: beat.counts for beat in picture.beats.values() if beat.task == "mapper"}
        counted = {task: counts.get("refused", 0) for task, counts in found.items()}
        counted |= {f"agent {node}": nodes.get(node, 0) for node in ("home", "node1")}
        return counted if len(counted) == len(app.graph.tasks) + 4 and all(counted.values()) else {}

    return await until(told)


async def test_a_few_hundred_hostile_messages_do_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    await fire(300, tmp_path, capfd)


@pytest.mark.faults
@pytest.mark.timeout(900)
async def test_ten_thousand_hostile_messages_do_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    await fire(int(os.environ.get("JUPITER_HOSTILE_MESSAGES", "10000")), tmp_path, capfd)
