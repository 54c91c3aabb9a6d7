"""`jupiter map APP` and `jupiter explain APP` on a running application."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.acceptance.command import EXAMPLE, Place

TASKS = {"split", "count", "length", "merge", "summary"}


async def test_a_running_application_is_mapped_explained_and_drawn(place: Place) -> None:
    async with place.started("up", "--nodes", "2") as up:
        place.environment["JUPITER_SERVER"] = await up.url()

        async def say(*arguments: str, status: int = 0) -> str:
            ran = await asyncio.to_thread(place.run, *arguments)
            assert ran.returncode == status, ran.stderr
            return ran.stderr if status else ran.stdout

        await say("submit", str(EXAMPLE))
        in_force = json.loads(await say("mapping", "example", "--json"))
        found = json.loads(await say("map", "example", "--export", "problem.json", "--svg", "map.svg", "--json"))
        assert set(found["mapping"]) == set(found["schedule"]) == TASKS
        assert found["in_force"]["mapping"] == in_force["mapping"]
        assert found["in_force"]["epoch"] == in_force["epoch"]
        assert (place.folder / "map.svg").read_text().startswith("<svg")

        again = json.loads(await say("map", "--problem", "problem.json", "--json"))
        own = {task: node for task, node in again["mapping"].items() if task in TASKS}
        assert own == found["mapping"]
        # At the pace that a mapper is given, not at the mapping's own.
        assert again["period_s"] == pytest.approx(found["period_s"], rel=0.5)

        await what_ifs(say, in_force["mapping"])
        await explains(say, in_force)


async def what_ifs(say: Any, mapping: dict[str, str]) -> None:
    used = sorted(set(mapping.values()) - {"home"})
    changes = [
        "--what-if",
        f"node {used[0] if used else 'node1'} gone",
        "--what-if",
        "link home>node2 bandwidth=5Mbit/s",
    ]
    found = json.loads(await say("map", "example", *changes, "--json"))
    gone = used[0] if used else "node1"
    assert gone not in found["mapping"].values()
    assert ("impossible" in found["in_force"]) == (gone in mapping.values())
    table = await say("map", "example", *changes)
    assert "WHAT IF" in table and "IN FORCE" in table and f"what if: node {gone} gone" in table
    assert "there is no node nodeX" in await say("map", "example", "--what-if", "node nodeX gone", status=2)


async def explains(say: Any, in_force: dict[str, Any]) -> None:
    found = json.loads(await say("explain", "example", "--json"))
    assert set(found["tasks"]) == TASKS and found["bottleneck"] and found["why"] == in_force["why"]
    for task, reason in found["tasks"].items():
        assert reason["node"] == in_force["mapping"][task]
        assert set(reason["candidates"]) == {"home", "node1", "node2"}
        assert reason["second_best"] in reason["candidates"]
    table = await say("explain", "example", "--svg", "why.svg")
    assert "SECOND BEST" in table and "bottleneck: " in table
    assert "the period with the task there" in table
    assert "the makespan with the task there" in await say("explain", "example", "--objective", "makespan")
    assert "no objective 'speed'" in await say("explain", "example", "--objective", "speed", status=2)
    assert "no application 'nobody'" in await say("explain", "nobody", status=2)
