"""The example on real processes: fed and read by plain clients, mapped by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import nats
import pytest
import pytest_asyncio

from runtime import subjects
from runtime.app import App
from runtime.message import Message
from tests.integration.cluster import REPOSITORY, Cluster, Results, cluster, live
from tests.waiting import DEADLINE_S

EXAMPLE = REPOSITORY / "app_specific_files" / "example"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Cluster]:
    async with cluster() as made:
        yield made


def spread(app: App, first: str = "home", second: str = "node1") -> dict[str, str]:
    return {task: second if number % 2 else first for number, task in enumerate(app.graph.tasks)}


async def results_of(running: Cluster, app: App) -> Results:
    results = Results()
    await running.bus.subscribe(subjects.egress(app.name), results.take)
    return results


async def test_a_bare_client_maps_feeds_and_reads(running: Cluster) -> None:
    app = await running.submit(EXAMPLE)
    clock = asyncio.get_running_loop().time
    started_s = clock()
    await running.map(app, spread(app))
    placed_s = clock() - started_s
    client = await nats.connect(running.server.url)
    try:
        answers: asyncio.Queue[Any] = asyncio.Queue()
        await client.subscribe("jupiter.example.egress.>", cb=answers.put)
        await client.publish("jupiter.example.ingress", b"three short words")
        answer = await asyncio.wait_for(answers.get(), DEADLINE_S)
        assert json.loads(answer.data)["words"] == 3
        started_s = clock()
        swapped = spread(app, "node1", "home")
        await client.publish("jupiter.mapping.example", json.dumps(swapped).encode())
        await running.wait_for_edges(
            app, lambda edges: all(edges.nodes[name] == swapped[task] for task, name in live(edges))
        )
        moved_s = clock() - started_s
        print(f"placed in {placed_s:.2f} s, moved in {moved_s:.2f} s")
        assert moved_s < 4 * placed_s, "nobody waits for a lease"
        await client.publish("jupiter.example.ingress", b"two words")
        answer = await asyncio.wait_for(answers.get(), DEADLINE_S)
        assert json.loads(answer.data)["words"] == 2
    finally:
        await client.close()


async def test_a_task_can_be_listened_to_while_it_runs(running: Cluster) -> None:
    app = await running.submit(EXAMPLE)
    await running.map(app, spread(app))
    heard: asyncio.Queue[Message] = asyncio.Queue()
    await running.bus.subscribe(subjects.tap(app.name, "merge"), heard.put_nowait)
    results = await results_of(running, app)
    lines = [f"line {number}".encode() for number in range(2000)]
    await running.send(app, lines)
    await results.wait_for(len(lines))
    message = await asyncio.wait_for(heard.get(), DEADLINE_S)
    assert message.headers["Jupiter-Id"]


async def test_an_item_that_always_fails_is_a_dead_letter_and_the_others_go_on(
    running: Cluster, tmp_path: Path
) -> None:
    folder = tmp_path / "picky"
    folder.mkdir()
    (folder / "app_config.yaml").write_text(
        "application:\n  codec: json\n  tasks:\n    home: {children: [check]}\n    dag_tasks:\n"
        "      - {name: check, base_script: check.py, children: [left, right], retries: 1}\n"
        "      - {name: left, base_script: same.py, children: [meet]}\n"
        "      - {name: right, base_script: same.py, children: [meet]}\n"
        "      - {name: meet, base_script: same.py, children: [home]}\n"
    )
    (folder / "check.py").write_text(
        "def process(item, ctx):\n    if item % 10 == 3:\n        raise ValueError('no threes')\n    return item\n"
    )
    (folder / "same.py").write_text("def process(item, ctx):\n    return item\n")
    app = await running.submit(folder)
    await running.map(app, spread(app))
    results = await results_of(running, app)
    await running.send(app, [str(number).encode() for number in range(50)])
    await results.wait_for(45)
    await running.ended(app)
    letters = await running.bus.read_stream(subjects.dead_stream(app.name), subjects.dead(app.name))
    dead = [json.loads(letter.payload) for letter in letters]
    assert sorted(int(letter["input"]["text"]) for letter in dead) == [3, 13, 23, 33, 43]
    assert {letter["error"] for letter in dead} == {"ValueError: no threes"}
    assert {letter["attempts"] for letter in dead} == {2}
    assert results.count == 45


async def test_a_source_feeds_a_task_and_an_input_for_nobody_is_a_dead_letter(running: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "fed"
    folder.mkdir()
    (folder / "app_config.yaml").write_text(
        "application:\n  codec: json\n  tasks:\n    home: {children: [first]}\n    dag_tasks:\n"
        "      - {name: first, base_script: same.py, children: [last]}\n"
        "      - {name: last, base_script: same.py, children: [home]}\n"
        "    nondag_tasks:\n      - {name: ticker, base_script: ticker.py, k8s_host: node1, children: [last]}\n"
    )
    (folder / "same.py").write_text("def process(item, ctx):\n    return item\n")
    (folder / "ticker.py").write_text("def run(ctx):\n    for number in range(500):\n        yield number\n")
    app = await running.submit(folder)
    results = Results()
    await running.bus.subscribe(subjects.egress(app.name), results.take)
    await running.map(app, spread(app))
    await results.wait_for(500)
    assert sorted(int(payloads[0]) for payloads in results.values.values()) == list(range(500))
    await running.bus.store(subjects.ingress(app.name), b'"plain"')
    await results.wait_for(501)
    await running.bus.store(subjects.ingress(app.name, "nobody"), b"1")
    await running.ended(app)
    letters = await running.bus.read_stream(subjects.dead_stream(app.name), subjects.dead(app.name))
    assert [json.loads(letter.payload)["error"].split(":")[0] for letter in letters] == [
        "no entry task is called nobody"
    ]
    assert results.twice() == []
