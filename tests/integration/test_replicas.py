"""Replicas of unequal speed, and slow tasks: each does what it can, and holds up nobody but its own senders."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from runtime import subjects
from tests.acceptance.command import application
from tests.integration.cluster import Results, cluster
from tests.integration.memory import slow_consumers

FAST_S, SLOW_S = 0.005, 0.05
SECONDS = 2.0
WARM, MORE = 100, 100
"""Results before the time that counts, and inputs after it: at the end nobody has a choice any more."""

WHO_IS_SLOW = """
import os, time

pause_s = 0

def setup(ctx):
    global pause_s
    try:
        os.close(os.open({path!r}, os.O_CREAT | os.O_EXCL))
        pause_s = {slow_s}
    except FileExistsError:
        pause_s = {fast_s}

def process(item, ctx):
    began_s = time.perf_counter()
    time.sleep(pause_s)
    return ("slow" if pause_s == {slow_s} else "fast") + f" {{time.perf_counter() - began_s}}"
"""


def who(results: Results) -> tuple[Counter[str], Counter[str]]:
    """Items, and seconds of work, of each replica."""
    items: Counter[str] = Counter()
    busy_s: Counter[str] = Counter()
    for name, seconds in (payload.decode().split() for payloads in results.values.values() for payload in payloads):
        items[name] += 1
        busy_s[name] += float(seconds)
    return items, busy_s


async def test_a_slow_replica_gets_its_share_and_the_throughput_is_the_sum(tmp_path: Path) -> None:
    script = WHO_IS_SLOW.format(path=str(tmp_path / "first"), slow_s=SLOW_S, fast_s=FAST_S)
    folder = application(
        tmp_path / "pair", "- {name: work, base_script: work.py, children: [home], replicas: 2}",
        before="codec: text\nlimits: {in_flight_items: 64}", work=script,
    )  # fmt: skip
    per_s = 1 / FAST_S + 1 / SLOW_S
    count = int(SECONDS * per_s)
    async with cluster(("home",)) as running:
        app = await running.submit(folder)
        await running.map(app, {"work": "home"})
        await running.wait_for_edges(app, lambda edges: len(edges.workers["work"]) == 2)
        results = Results()
        await running.bus.subscribe(subjects.egress(app.name), results.take)
        await running.send(app, [b"x"] * (WARM + count + MORE))
        await results.wait_for(WARM)
        began_s, before = time.monotonic(), who(results)
        await results.wait_for(WARM + count)
        took_s = time.monotonic() - began_s
        items, busy_s = (now - then for now, then in zip(who(results), before, strict=True))
        print(f"{items}, {items.total() / took_s:.0f} items/s of {per_s:.0f}, busy {busy_s} of {took_s:.2f} s")
        # Each in its own time: what a busy machine adds to a pause counts as work.
        slow_share = busy_s["fast"] / items["fast"] / sum(busy_s[name] / items[name] for name in ("fast", "slow"))
        assert 0.5 * slow_share < items["slow"] / items.total() < 2 * slow_share
        assert all(busy_s[name] > 0.6 * took_s for name in ("fast", "slow"))
        assert results.twice() == []
        assert slow_consumers(running.server) == 0
