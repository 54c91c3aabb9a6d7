"""Random graphs on real processes, with few items in flight: never a stall, and just the results that they lead to.

Filters, several outputs, chosen children, joins of every policy, inner queues, delays. The same on the pure state
machines, by the thousand and under faults, is `tests/unit/circe/test_protocol_model.py`. JUPITER_GRAPH_SEEDS=1,2,3 for
other graphs.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from random import Random

import yaml

from deploy.ending import Ending
from runtime import subjects
from runtime.graph import Task, TaskGraph
from runtime.message import Outgoing
from runtime.network import HOME
from tests.integration.cluster import Cluster, cluster
from tests.unit.circe.protocol_ends import everything
from tests.unit.circe.test_protocol_model import with_queues
from tests.waiting import until

SEEDS = [int(seed) for seed in os.environ.get("JUPITER_GRAPH_SEEDS", "9,13,44").split(",")]
ITEMS = 60

SCRIPT = '''
import time
from zlib import crc32

from rules import RULES


def own_id(item, is_each):
    """A value holds the id that its item has, and who gave it."""
    if isinstance(item, dict):
        return own_id(next(iter(item.values())), False)
    found, by = (item, "home") if isinstance(item, str) else item
    return f"{found}.{by}" if is_each else found


def process(item, ctx):
    style, is_each, is_enclosed = RULES[ctx.task]
    found = own_id(item, is_each)
    chance = crc32(f"{ctx.task}/{found}".encode())
    time.sleep(chance % 7 / 1000)
    if style == "filter" and chance % 3 == 0:
        return None
    if style == "two":
        ctx.emit([f"{found}.1", ctx.task])
        ctx.emit([f"{found}.2", ctx.task])
        return None
    if style == "choose":
        to = ctx.children[chance % len(ctx.children)]
        ctx.emit([found if is_enclosed else f"{found}.1", ctx.task], to=to)
        return None
    return [found, ctx.task]
'''


def random_graph(rng: Random) -> TaskGraph:
    """Up to seven tasks; every task is reached, and the last are results."""
    names = [f"t{number}" for number in range(rng.randint(4, 7))]
    children: dict[str, list[str]] = {HOME: [names[0]], **{name: [] for name in names}}
    for number, name in enumerate(names[1:], 1):
        above = [HOME, *names[:number]]
        for parent in sorted(rng.sample(above, min(rng.randint(1, 3), len(above)))):
            children[parent].append(name)
    for name in names:
        if not children[name] or rng.random() < 0.3:
            children[name].append(HOME)
    plain = {name: Task(name=name, script="s.py", children=tuple(children[name])) for name in names}
    shape = TaskGraph(plain, tuple(children[HOME]))
    joins = {name: _join(rng, shape, name) for name in names}
    tasks = {name: Task(name=name, script="s.py", children=tuple(children[name]), join=joins[name]) for name in names}
    return with_queues(TaskGraph(tasks, tuple(children[HOME])), [name for name in names if rng.random() < 0.8])


def _join(rng: Random, shape: TaskGraph, name: str) -> str | int:
    policies: list[str | int] = ["all"]
    if len(shape.parents(name)) > 1:
        policies += ["any", 2] + (["each"] if shape.enclosing_join(name) is None else [])
    return rng.choice(policies)


def random_styles(rng: Random, graph: TaskGraph) -> dict[str, str]:
    """What each task does with its items: several outputs only where they are allowed."""
    many = {task: ["two"] if graph.enclosing_join(task) is None else [] for task in graph.tasks}
    return {task: rng.choice(["pass", "filter", "choose", *many[task]]) for task in graph.tasks}


def write_app(folder: Path, graph: TaskGraph, styles: dict[str, str], in_flight: int) -> Path:
    folder.mkdir()
    tasks = [
        {"name": task.name, "base_script": "s.py", "children": list(task.children)}
        | ({"join": task.join} if len(graph.parents(task.name)) > 1 else {})
        | ({"edge": task.edge} if task.name in graph.queues else {})
        for task in graph.tasks.values()
    ]
    application = {
        "codec": "json",
        "limits": {"in_flight_items": in_flight},
        "tasks": {"home": {"children": list(graph.entries)}, "dag_tasks": tasks},
    }
    (folder / "app_config.yaml").write_text(yaml.safe_dump({"application": application}))
    (folder / "s.py").write_text(SCRIPT)
    rules = {
        name: (
            styles[name],
            task.join == "each" and len(graph.parents(name)) > 1,
            graph.enclosing_join(name) is not None,
        )
        for name, task in graph.tasks.items()
    }
    (folder / "rules.py").write_text(f"RULES = {rules!r}\n")
    return folder


async def test_random_graphs_never_stall(tmp_path: Path) -> None:
    async with cluster() as running:
        for seed in SEEDS:
            rng = Random(seed)
            graph = random_graph(rng)
            styles = random_styles(rng, graph)
            folder = write_app(tmp_path / f"graph{seed}", graph, styles, rng.randint(1, 4))
            await run(running, folder, graph, styles, rng)


async def run(running: Cluster, folder: Path, graph: TaskGraph, styles: dict[str, str], rng: Random) -> None:
    app = await running.submit(folder)
    await running.map(app, {task: rng.choice(["home", "node1"]) for task in graph.tasks})
    heard: list[tuple[str, str]] = []
    await running.bus.subscribe(subjects.egress(app.name), lambda message: heard.append(_end(message.subject)))
    inputs = [Outgoing(subjects.ingress(app.name), f'"i{number}"'.encode()) for number in range(1, ITEMS + 1)]
    await asyncio.gather(*running.bus.store_many(inputs))

    ending = Ending(running.bus, app)

    async def is_over() -> bool:
        ended = await ending.look()
        return ended is not None and ended.unfinished == ended.queued == 0

    await until(is_over)
    assert await running.bus.flush()
    wanted = [everything(graph, styles, f"i{number}").results for number in range(1, ITEMS + 1)]
    assert len(heard) == len(set(heard))
    assert set(heard) == set().union(*wanted), folder.name


def _end(subject: str) -> tuple[str, str]:
    """Task and id, as the model calls it: without the run, and `i` before the number."""
    _, _, _, task, item_id = subject.split(".", 4)
    root = item_id.partition("-")[2]
    return task, f"i{root}"
