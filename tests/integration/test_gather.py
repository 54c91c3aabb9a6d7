"""Gathers on a real server: every item is in one group, whoever is killed when."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

from deploy import dead
from tests.integration.cluster import Results, cluster
from tests.integration.test_diamond import results_of, spread
from tests.waiting import until

ITEMS = 800
KEYS = 7
CONFIG = """
application:
  codec: json
  tasks:
    home: {{children: [pass]}}
    dag_tasks:
      - {{name: pass, base_script: pass.py, children: [group]}}
      - {{name: group, base_script: group.py, children: [last], retries: 0, {keys}}}
      - {{name: last, base_script: pass.py, children: [home]}}
"""
GROUP = f"""
def key(item, ctx):
    return item % {KEYS}


def closes(item, ctx):
    return item % 50 == 49


def process(items, ctx):
    return items
"""
FAILING = """
import pathlib

FAILS = pathlib.Path({path!r}).exists


def key(item, ctx):
    if item == 13 and FAILS():
        raise ValueError("no group has this")
    return item % 2


def process(items, ctx):
    if 2 in items and FAILS():
        raise ValueError("no result for these")
    return items
"""


def write(folder: Path, keys: str, group: str = GROUP) -> Path:
    folder.mkdir()
    (folder / "app_config.yaml").write_text(CONFIG.format(keys=keys))
    (folder / "pass.py").write_text("def process(item, ctx):\n    return item\n")
    (folder / "group.py").write_text(group)
    return folder


def groups_in(results: Results) -> list[list[int]]:
    return [json.loads(payloads[0]) for payloads in results.values.values()]


async def until_gathered(results: Results, count: int) -> None:
    """Until that many items came out in groups."""
    await until(lambda: sum(map(len, groups_in(results))) >= count)


async def test_every_item_is_in_one_group_whoever_is_killed(tmp_path: Path) -> None:
    async with cluster() as running:
        app = await running.submit(write(tmp_path / "groups", "gather: {count: 20, within_s: 0.5}"))
        await running.map(app, spread(app))
        results = await results_of(running, app)
        victims = ["group", "group", "last", "a move", "group"]
        for number, victim in enumerate(victims):
            lines = [str(number * ITEMS + line).encode() for line in range(ITEMS)]
            sending = asyncio.create_task(running.send(app, lines, f"round {number}"))
            await until_gathered(results, number * ITEMS + ITEMS // 3)
            if victim == "a move":
                await running.map(app, spread(app, "node1", "home"))
            else:
                await running.kill(victim)
            await sending
            await until_gathered(results, (number + 1) * ITEMS)
        await running.ended(app)
        await asyncio.sleep(1.0)  # what would come twice has had time to
        assert results.twice() == []
        groups = groups_in(results)
        assert Counter(item for group in groups for item in group) == Counter(range(len(victims) * ITEMS))
        assert all(len({item % KEYS for item in group}) == 1 for group in groups)
        assert all(len(group) <= 20 and all(item % 50 != 49 for item in group[:-1]) for group in groups)
        print(sorted(Counter(map(len, groups)).items()))


async def test_what_fails_is_a_letter_with_its_items_and_comes_again(tmp_path: Path) -> None:
    switch = tmp_path / "fails"
    switch.touch()
    async with cluster(("home",)) as running:
        folder = write(tmp_path / "failing", "gather: {count: 3, within_s: 0.5}", FAILING.format(path=str(switch)))
        app = await running.submit(folder)
        await running.map(app, dict.fromkeys(app.graph.tasks, "home"))
        results = await results_of(running, app)
        await running.send(app, [str(item).encode() for item in (0, 2, 4, 11, 13, 15, 17)])
        await until_gathered(results, 3)
        await running.ended(app)
        letters = sorted(await dead.letters(running.bus, app.name), key=lambda letter: str(letter["input"]))
        assert [(letter["task"], letter["input"]) for letter in letters] == [
            ("group", [{"text": "0"}, {"text": "2"}, {"text": "4"}]),
            ("group", {"text": "13"}),
        ]
        assert groups_in(results) == [[11, 15, 17]]
        switch.unlink()
        assert (await dead.replay(running.bus, app)).sent == 2
        await until_gathered(results, 7)
        await running.ended(app)
        assert results.twice() == []
        assert sorted(groups_in(results)) == [[0, 2, 4], [11, 15, 17], [13]]
        assert letters[0]["id"] in results.values  # the group that it was
