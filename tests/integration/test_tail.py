"""`jupiter tail APP TASK` on a pipeline that works: all that comes, or the number of what was left out."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from pathlib import Path
from typing import Any

from runtime import subjects
from tests.acceptance.command import Place, Running, application
from tests.integration.cluster import Results, cluster
from tests.waiting import DEADLINE_S

ITEMS = 1500
LARGE_BYTES = 40_000


async def lines(tail: Running, count: int) -> list[dict[str, Any]]:
    return [json.loads(await tail.line()) for _ in range(count)]


async def test_a_listener_in_the_middle_misses_nothing_and_a_slow_one_holds_nobody_up(tmp_path: Path) -> None:
    place = Place(tmp_path)
    folder = application(
        tmp_path / "echo", "- {name: echo, base_script: echo.py, children: [home]}",
        before="codec: text", echo="def process(item, ctx):\n    yield item\n",
    )  # fmt: skip
    async with cluster() as running:
        app = await running.submit(folder)
        results = Results()
        await running.bus.subscribe(subjects.egress(app.name), results.take)
        await running.map(app, {"echo": "node1"})
        command = ("tail", "echo", "echo", "--server", running.server.url)
        before = asyncio.create_task(running.send(app, [b"before"] * ITEMS, "before"))
        await results.wait_for(1)
        async with place.started(*command) as tail:
            await tail.says("Ctrl-C ends it")
            await before
            await running.send(app, [f"after {number}".encode() for number in range(ITEMS)], "after")
            await results.wait_for(2 * ITEMS)
            await running.kill("echo")
            await running.send(app, [f"killed {number}".encode() for number in range(ITEMS)], "killed")
            heard: dict[str, dict[str, Any]] = {}
            async with asyncio.timeout(DEADLINE_S):
                while len([each for each in heard if each != "before"]) < 2 * ITEMS:
                    (line,) = await lines(tail, 1)
                    heard[line["value"]] = line
            assert heard["after 0"]["id"].endswith(".1") and heard["after 0"]["seq"] == ITEMS + 1
            tail.process.send_signal(signal.SIGINT)
            assert await tail.ended() == 0
            assert not [said for said in tail.said if "left out" in said]

        await results.wait_for(3 * ITEMS)
        await running.ended(app)  # what the kill had made to come twice
        async with place.started(*command) as tail:  # nobody reads what it writes
            await tail.says("Ctrl-C ends it")
            for sender in ("large", "more"):
                await running.send(app, [bytes([97]) * LARGE_BYTES] * ITEMS, sender)
            await results.wait_for(5 * ITEMS)
            await running.send(app, [b"last"], "last")  # its number tells what the worker left out before it
            await results.wait_for(5 * ITEMS + 1)
            await running.bus.flush()
            tail.process.send_signal(signal.SIGINT)
            assert tail.process.stdout is not None
            written = (await asyncio.wait_for(tail.process.stdout.read(), DEADLINE_S)).count(b"\n")
            assert await tail.ended() == 0
            said = re.search(r"left out ([0-9,]+)", "\n".join(tail.said))
            assert said is not None, tail.said
            assert written > 0 and written + int(said[1].replace(",", "")) == 2 * ITEMS + 1
        assert results.twice() == []
