"""The mapper's service on a real server, with profiles made up: mapped, marked, moved when that pays, and only then."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from mapper import decide
from mapper.service import MapperService
from runtime import codec, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.mapping import TaskMapping
from runtime.profiles import ExecutionProfile, LinkRow
from runtime.service import Service
from tests.integration.agent_kit import CONTROL, lay_out, watch
from tests.unit.mapper import known
from tests.waiting import until

NODES = ("home", "node1", "node2")
SPREAD = {"home": 0.2, "node1": 0.1, "node2": 0.1}


class World:
    """Three nodes that exist on the bus only."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.nodes = list(NODES)

    async def live(self) -> None:
        while True:
            for name in self.nodes:
                await self._put(subjects.node_profile(name), known.node(name).to_record())
            await asyncio.sleep(1.0)

    async def measure(self, app: App, seconds: dict[str, float]) -> None:
        for source in self.nodes:
            row = LinkRow(source=source, links={target: known.link() for target in self.nodes if target != source})
            await self._put(subjects.link_profile(source), row.to_record())
        for task in app.graph.tasks:
            for node, median_s in seconds.items():
                await self.execution(known.execution(task, node, median_s, app=app.name))

    async def execution(self, profile: ExecutionProfile) -> None:
        await self._put(subjects.execution_profile(profile.app, profile.task, profile.node), profile.to_record())

    async def submit(self, app: App) -> None:
        await self._put(subjects.app(app.name), app.to_record())

    async def _put(self, subject: str, record: dict[str, object]) -> None:
        await self.bus.put_record(subject, codec.encode_record(record))


@contextlib.asynccontextmanager
async def mapping_service(bus: Bus) -> AsyncIterator[World]:
    """The world, with the mapper at work in it."""
    await lay_out(bus)
    world, service = World(bus), Service("mapper")
    async with asyncio.TaskGroup() as tasks:
        living = tasks.create_task(world.live())
        tasks.create_task(MapperService(bus, "mapper-1", len(NODES)).serve(service))
        try:
            yield world
        finally:
            living.cancel()
            service.stop()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decide, "EVERY_S", 0.2)


async def test_a_mapping_follows_the_profiles_when_that_pays(own_bus: Bus, hasty: None) -> None:
    app = known.chain("a", "b", mapper="throughput")
    async with (
        mapping_service(own_bus) as world,
        watch(own_bus, CONTROL, subjects.mapping("*"), TaskMapping.from_record) as maps,
    ):
        await world.measure(app, SPREAD)
        await world.submit(app)
        first = await until(lambda: maps.get("chained"))
        assert set(first.assignment.values()) == {"node1", "node2"}
        assert first.period_s == pytest.approx(0.1, rel=0.01)  # and what a worker does beside the task
        assert first.uncertain == {}

        slow = next(task for task, node in first.assignment.items() if node == "node2")
        await world.execution(known.execution(slow, "node2", 0.104))
        await asyncio.sleep(1.5)
        assert maps["chained"] == first, "four per cent are no reason to move"

        await world.execution(known.execution(slow, "node2", 5.0))
        moved = await until(lambda: maps["chained"] if maps["chained"] != first else None)
        assert moved.assignment[slow] != "node2"
        assert "moved from 5 s per item" in moved.why


async def test_what_is_missing_is_derived_in_the_end_and_said(own_bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mapper.table.PATIENCE_S", 1.0)
    app = known.chain("a", "b", "c")
    async with (
        mapping_service(own_bus) as world,
        watch(own_bus, CONTROL, subjects.mapping("*"), TaskMapping.from_record) as maps,
    ):
        await world.measure(app, {"home": 0.1, "node1": 0.1})
        await world.submit(app)
        found = await until(lambda: maps.get("chained"))
        assert set(found.assignment.values()) == set(NODES)
        derived = next(task for task, node in found.assignment.items() if node == "node2")
        assert found.uncertain == {f"{derived}@node2": "derived"}


async def test_a_lost_node_is_left_at_once_and_what_another_application_uses_is_spared(own_bus: Bus) -> None:
    app = known.chain("a", "b", mapper="throughput")
    other = replace(known.chain("a", mapper="throughput"), name="other")
    async with (
        mapping_service(own_bus) as world,
        watch(own_bus, CONTROL, subjects.mapping("*"), TaskMapping.from_record) as maps,
    ):
        await world.measure(app, SPREAD)
        await world.submit(app)
        await until(lambda: maps.get("chained"))
        await world.measure(other, SPREAD)
        await world.submit(other)
        spared = await until(lambda: maps.get("other"))
        assert spared.assignment == {"a": "home"}, "the faster nodes are promised to the first application"

        world.nodes.remove("node2")
        moved = await until(lambda: m if "node2" not in (m := maps["chained"]).assignment.values() else None)
        assert set(moved.assignment.values()) <= {"home", "node1"}
