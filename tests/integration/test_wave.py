"""Agents that place an application among themselves: real agents, a real server, and no mapper's process anywhere."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

from agents import wave_messages
from agents.lease import Lease
from agents.responder import Responder
from agents.wave_home import LONGEST_S
from agents.wave_messages import UNABLE, Answer, Ask
from agents.wave_statistics import LocalStatistics
from deploy import mapping as view
from deploy import remapping, status
from mapper import costs, registry
from runtime import children, codec, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.mapper_options import MapperOptions
from runtime.mapping import TaskMapping
from runtime.message import Message
from runtime.profiles import ExecutionProfile, LinkRow, NodeProfile
from runtime.server import EmbeddedServer
from tests.integration.agent_kit import CONTROL, PROFILE, agent, lay_out, submit, watch, write_app
from tests.integration.cluster import Cluster, Results, cluster
from tests.integration.secrecy import Keys
from tests.unit.agents.wave_world import World
from tests.unit.mapper import known
from tests.waiting import until

NODES = ("home", "node1", "node2")
CONFIG = """
jupiter_config:
  task_mapper: MAPPER
  mapper_options: {distributed: true, seed: 4}
application:
  tasks:
    home: {children: [split]}
    dag_tasks:
      - {name: split, base_script: task.py, children: [left, right], input_codec: text}
      - {name: left, base_script: task.py, children: [both]}
      - {name: right, base_script: task.py, children: [both]}
      - {name: both, base_script: task.py, children: [home]}
"""
SCRIPT = """
import time

QUICK = {"split": "home", "left": "node1", "right": "node2", "both": "node1"}

def process(item, ctx):
    time.sleep(0.002 if QUICK[ctx.task] == ctx.node else 0.15)
    return ctx.task
"""
BEST = {"split": "home", "left": "node1", "right": "node2", "both": "node1"}


def write(folder: Path, mapper: str) -> Path:
    (folder / "sample_input").mkdir(parents=True)
    (folder / "sample_input" / "in.txt").write_text("one\n")
    (folder / "app_config.yaml").write_text(CONFIG.replace("MAPPER", mapper))
    (folder / "task.py").write_text(SCRIPT)
    return folder


@dataclass
class Recorded:
    """The nodes as their records describe them, for the simulation."""

    app: App
    nodes: tuple[str, ...]
    found: dict[str, LocalStatistics]

    def local(self, name: str) -> LocalStatistics:
        return self.found[name]


async def recorded(bus: Bus, app: App) -> Recorded:
    found = {}
    for record in await bus.snapshot(PROFILE, subjects.node_profile(None)):
        node = NodeProfile.from_record(codec.decode_record(record.payload or b""))
        row = await bus.snapshot(PROFILE, subjects.link_profile(node.node))
        executions = await bus.snapshot(PROFILE, subjects.execution_profile(app.name, "*", node.node))
        profiles = [ExecutionProfile.from_record(codec.decode_record(each.payload or b"")) for each in executions]
        found[node.node] = LocalStatistics(
            node=node.node,
            app=app,
            executions={each.task: each for each in profiles},
            row=LinkRow.from_record(codec.decode_record(row[0].payload or b"")).links,
            cores=node.cores,
            speed_score=node.speed_score,
            memory_ratio=1.0 - node.memory_available_bytes / node.memory_bytes,
        )
    return Recorded(app, NODES, found)


async def test_what_was_mapped_before_the_agent_listened_and_is_gone_is_placed(
    own_server: EmbeddedServer, own_bus: Bus, tmp_path: Path
) -> None:
    """The record that says so is heard by nobody who comes later, but no mapping could be put in its place."""
    await lay_out(own_bus)
    await own_bus.delete_record(CONTROL, subjects.mapping("again"))
    folder = tmp_path / "again"
    app = write_app(folder, {"a": "def process(item, ctx):\n    return item"})
    await submit(own_bus, folder, replace(app, mapper="wave_greedy", mapper_options=MapperOptions(distributed=True)))
    async with (
        watch(own_bus, CONTROL, subjects.mapping("again"), TaskMapping.from_record) as maps,
        agent(own_server.url, "home", tmp_path / "cache"),
    ):
        found = await until(lambda: maps.get("again"))
        assert found.assignment == {"a": "home"}


async def put_mapping(running: Cluster, app: App) -> TaskMapping:
    async with watch(running.bus, CONTROL, subjects.mapping(app.name), TaskMapping.from_record) as maps:
        return await until(lambda: maps.get(app.name))


async def test_agents_place_applications_and_run_them_without_a_mapper(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys", ("greedy", "random"), NODES)
    async with cluster(NODES, secrecy=keys) as running:
        greedy = await running.submit(write(tmp_path / "greedy", "wave_greedy"))
        random = await running.submit(write(tmp_path / "random", "wave_random"))
        found = await put_mapping(running, greedy)
        assert (dict(found.assignment), found.algorithm, found.digest) == (BEST, "wave_greedy", greedy.digest)
        drawn = await put_mapping(running, random)

        for app, mapping in ((greedy, found), (random, drawn)):
            by_the_mapper = await view.known(running.bus, app)
            central = registry.solve(by_the_mapper.problem, app.mapper, options=app.mapper_options)
            assert mapping.assignment == costs.without_home(central.assignment)
            simulated = World(await recorded(running.bus, app)).run()  # type: ignore[arg-type] # as far as it is used
            assert simulated is not None and simulated.assignment == mapping.assignment

        await running.wait_for_edges(greedy, lambda edges: edges.epoch > 0)
        results = Results()
        await running.bus.subscribe(subjects.egress(greedy.name), results.take)
        await running.send(greedy, [b"one", b"two", b"three"])
        await results.wait_for(3)

        told = view.explanation(await view.known(running.bus, greedy))
        assert "left on node1 at " in told["why"] and "by home" in told["why"] and "both on node1" in told["why"]
        looked = await status.mapping(running.bus, greedy)
        assert looked["state"] == "in place" and looked["places"] == {task: [node] for task, node in BEST.items()}

        await remapping.remap(running.bus, greedy.name, 20.0)
        again = await status.mapping(running.bus, greedy)
        assert again["epoch"] > looked["epoch"] and again["mapping"] == BEST


class SlowNode:
    """A node played by the test: it lives, can run nothing, and from a moment on answers nothing."""

    def __init__(self, bus: Bus, name: str) -> None:
        self.bus = bus
        self.name = name
        self.is_silent_to = ""
        self.asked: list[tuple[str, Ask]] = []

    @contextlib.asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        await Responder(self.bus, self.name, Lease()).serve()
        await self.bus.subscribe(subjects.wave(self.name, None), self._hear)
        breathing = asyncio.create_task(self._breathe())
        try:
            yield
        finally:
            breathing.cancel()

    async def _breathe(self) -> None:
        while True:
            profile = known.node(self.name).to_record()
            await self.bus.put_record(subjects.node_profile(self.name), codec.encode_record(profile))
            await asyncio.sleep(1.0)

    def _hear(self, message: Message) -> None:
        sender, ask = message.subject.rpartition(".")[2], wave_messages.decode(message.payload)
        assert isinstance(ask, Ask)
        self.asked.append((sender, ask))
        if sender != self.is_silent_to:
            answer = Answer(placement=ask.placement, number=ask.number, state=UNABLE, why="only looks on")
            self.bus.send(message.reply, wave_messages.encode(answer))


async def test_an_agent_killed_while_it_places_is_left_out_and_one_that_leaves_loses_its_tasks(
    own_server: EmbeddedServer, own_bus: Bus, tmp_path: Path
) -> None:
    await lay_out(own_bus)
    slow = SlowNode(own_bus, "slow")
    slow.is_silent_to = "node1"
    script = (
        "import time\ndef process(item, ctx):\n    time.sleep(0.001 if ctx.node == 'node1' else 0.1)\n    return item\n"
    )
    app = write_app(tmp_path / "waved", dict.fromkeys(("first", "second", "third"), script), "1\n")
    app = replace(app, mapper="wave", mapper_options=MapperOptions(distributed=True))
    cache = tmp_path / "cache"
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(slow.living())
        await stack.enter_async_context(agent(own_server.url, "home", cache, "--expect-nodes", "3"))
        doomed = await stack.enter_async_context(agent(own_server.url, "node1", cache))
        maps = await stack.enter_async_context(watch(own_bus, CONTROL, subjects.mapping("*"), TaskMapping.from_record))
        agents = await stack.enter_async_context(
            watch(own_bus, PROFILE, subjects.node_profile(None), NodeProfile.from_record)
        )
        await submit(own_bus, tmp_path / "waved", app)
        # It was given the first task, asks for the second, and waits for one that does not answer.
        asked = await until(lambda: [ask for sender, ask in slow.asked if sender == "node1"])
        assert asked[0].task == "second" and not maps
        doomed.kill()
        killed_s = time.monotonic()
        found = await until(lambda: maps.get("waved"))
        assert set(found.assignment.values()) == {"home"} and found.algorithm == "wave_greedy"
        assert time.monotonic() - killed_s < LONGEST_S, "it has not waited until the placing was given up"

        slow.is_silent_to = ""
        killed = agents["node1"].agent
        back = await stack.enter_async_context(agent(own_server.url, "node1", cache))
        await until(lambda: agents["node1"].agent != killed)
        await own_bus.delete_record(CONTROL, subjects.mapping("waved"))
        await until(lambda: "waved" in maps and set(maps["waved"].assignment.values()) == {"node1"})
        await children.stop(back, 10.0)
        found = await until(lambda: m if "node1" not in (m := maps["waved"]).assignment.values() else None)
        assert set(found.assignment.values()) == {"home"}
