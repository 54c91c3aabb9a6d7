"""Inner queues (`edge: queued`) on a real server: a checkpoint that outlives everybody around it."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from deploy import dead
from deploy.submit import delete
from runtime import subjects
from tests.integration.cluster import Results, cluster, worker_processes
from tests.integration.test_diamond import results_of, spread
from tests.waiting import until

ITEMS = 1500

CONFIG = """
application:
  codec: json
  tasks:
    home: {children: [split]}
    dag_tasks:
      - {name: split, base_script: same.py, children: [left, right]}
      - {name: left, base_script: same.py, children: [merge]}
      - {name: right, base_script: same.py, children: [merge]}
      - {name: merge, base_script: merge.py, children: [heavy]}
      - {name: heavy, base_script: heavy.py, children: [up, down], edge: queued, retries: 0}
      - {name: up, base_script: same.py, children: [meet]}
      - {name: down, base_script: same.py, children: [meet]}
      - {name: meet, base_script: meet.py, children: [home]}
"""


def write(folder: Path, heavy: str = "def process(item, ctx):\n    return item\n") -> Path:
    """A diamond, a queue, and another diamond; the last join gives two results for an item."""
    folder.mkdir()
    (folder / "app_config.yaml").write_text(CONFIG)
    (folder / "same.py").write_text("def process(item, ctx):\n    return item\n")
    (folder / "merge.py").write_text("def process(parts, ctx):\n    return parts['left'] + parts['right']\n")
    (folder / "heavy.py").write_text(heavy)
    (folder / "meet.py").write_text("def process(parts, ctx):\n    yield parts['up']\n    yield parts['down'] + 1\n")
    return folder


def complete(results: Results, count: int) -> None:
    assert results.twice() == []
    assert results.count == count
    values = sorted(int(payloads[0]) for payloads in results.values.values())
    assert len(set(values)) == count


async def test_whoever_reads_the_queue_is_killed_under_load_every_result_comes_once(tmp_path: Path) -> None:
    async with cluster() as running:
        app = await running.submit(write(tmp_path / "twice"))
        await running.map(app, spread(app))
        results = await results_of(running, app)
        victims = ["heavy", "merge", "meet", "gateway"]
        for number, victim in enumerate(victims):
            lines = [str(number * ITEMS + line).encode() for line in range(ITEMS)]
            sending = asyncio.create_task(running.send(app, lines, f"round {number}"))
            await results.wait_for(number * 2 * ITEMS + ITEMS // 2)
            await running.kill(victim)
            if number == 0:  # its successor too, as soon as there is one
                await until(lambda: worker_processes("heavy", running.server.url))
                await running.kill("heavy")
            await sending
            await results.wait_for((number + 1) * 2 * ITEMS)
        lines = [str(len(victims) * ITEMS + line).encode() for line in range(ITEMS)]
        sending = asyncio.create_task(running.send(app, lines, "while it moves"))
        await results.wait_for(len(victims) * 2 * ITEMS + ITEMS // 2)
        moved = {**spread(app), "heavy": "home" if spread(app)["heavy"] == "node1" else "node1"}
        await running.map(app, moved)
        await sending
        count = (len(victims) + 1) * 2 * ITEMS
        await results.wait_for(count)
        await asyncio.sleep(1.0)  # what would come twice has had time to
        complete(results, count)
        await running.ended(app)


async def test_while_nobody_reads_the_queue_the_tasks_above_go_on(tmp_path: Path) -> None:
    async with cluster() as running:
        app = await running.submit(write(tmp_path / "away"))
        await running.map(app, {**spread(app), "heavy": "home"})
        results = await results_of(running, app)
        await running.kill("heavy", signal.SIGSTOP)
        await running.send(app, [str(number).encode() for number in range(ITEMS)])
        await until(lambda: running.has_taken_all(app))
        held = await running.bus.stream_state(subjects.queue_stream(app.name, "heavy"))
        assert held is not None and held.messages == ITEMS
        await running.kill("heavy", signal.SIGCONT)
        await results.wait_for(2 * ITEMS)
        complete(results, 2 * ITEMS)
        await running.ended(app)


async def test_what_died_below_a_queue_is_replayed_from_there(tmp_path: Path) -> None:
    picky = "import pathlib\n\n\ndef process(item, ctx):\n"
    picky += f"    if item % 10 == 6 and not pathlib.Path({str(tmp_path / 'mended')!r}).exists():\n"
    picky += "        raise ValueError('no sixes')\n    return item\n"
    async with cluster() as running:
        app = await running.submit(write(tmp_path / "picky", picky))
        await running.map(app, spread(app))
        results = await results_of(running, app)
        await running.send(app, [str(number).encode() for number in range(50)])
        await results.wait_for(80)
        await running.ended(app)
        letters = await dead.letters(running.bus, app.name)
        assert sorted(int(letter["input"]["text"]) for letter in letters) == list(range(6, 100, 10))
        assert {letter["root"]["queue"] for letter in letters} == {"heavy"}
        (tmp_path / "mended").touch()
        assert (await dead.replay(running.bus, app)).sent == 10
        await results.wait_for(100)
        await running.ended(app)
        complete(results, 100)
        assert await dead.letters(running.bus, app.name) == []
        await delete(running.bus, app.name, 10.0)
        assert await running.bus.stream_names(subjects.everything(app.name)) == []


async def test_an_edit_that_takes_the_queue_away_loses_nothing_that_is_in_it(tmp_path: Path) -> None:
    slow = "import time\n\n\ndef process(item, ctx):\n    time.sleep(0.004)\n    return item\n"
    async with cluster() as running:
        folder = write(tmp_path / "edited", slow)
        app = await running.submit(folder)
        await running.map(app, spread(app))
        results = await results_of(running, app)
        sending = asyncio.create_task(running.send(app, [str(number).encode() for number in range(400)]))
        await results.wait_for(100)
        config = folder / "app_config.yaml"
        config.write_text(config.read_text().replace("edge: queued, ", ""))
        edited = await running.submit(folder)
        assert edited.graph.queues == ()
        await sending
        edges = await running.wait_for_edges(edited)
        assert set(edges.heads) == {"home"}
        await results.wait_for(800)
        await running.ended(edited)
        complete(results, 800)

        async def is_gone() -> bool:
            return not await running.bus.stream_names(subjects.queue(app.name))

        await until(is_gone)
