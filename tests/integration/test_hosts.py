"""Hosts mode: machines that share nothing but a network are one Jupiter, whoever joins, leaves or is cut off."""

from __future__ import annotations

import asyncio
import json
import platform
from pathlib import Path

import pytest

from circe.pulse import LEASE_S
from mapper.decide import TIMER_S
from runtime import codec, subjects
from runtime.app import App
from runtime.mapping import BY_HAND
from runtime.profiles import ExecutionProfile, LinkRow, NodeProfile
from runtime.records import GONE, Beat
from tests.integration.agent_kit import PROFILE, STATUS, watch
from tests.integration.cluster import Results, live
from tests.integration.hosts import EXAMPLE, Site, nodes_of, site, variant
from tests.integration.netns import why_not
from tests.waiting import until

pytestmark = pytest.mark.netns


@pytest.fixture(autouse=True)
def machines() -> None:
    """Skips where there can be none."""
    if reason := why_not():
        pytest.skip(reason)


async def test_machines_that_share_only_a_network_are_one_jupiter(tmp_path: Path) -> None:
    async with site(tmp_path, "node1", "node2") as running:
        app = await running.submit(EXAMPLE)
        edges = await running.wait_for_edges(app)
        mapping, epoch = await running.mapping(app)
        assert mapping.algorithm != BY_HAND
        assert nodes_of(edges) == mapping.assignment
        results = Results()
        await running.bus.subscribe(subjects.egress(app.name), results.take)
        await running.send(app, [f"{n} is a line".encode() for n in range(3000)])
        await results.wait_for(3000)

        await running.join("node3")
        _, considered = await running.mapping(app, after=epoch)
        await everything_is_known_of(running, app, "node3", {"home", "node1", "node2"})

        async with running.load(app, "moving"):
            await running.map(app, {**mapping.assignment, "merge": "node3"})
        await running.bus.delete_record(subjects.CONTROL_STREAM, subjects.mapping(app.name))
        again, _ = await running.mapping(app, after=considered + 2)
        assert again.algorithm != BY_HAND
        assert results.twice() == []


async def everything_is_known_of(running: Site, app: App, node: str, others: set[str]) -> None:
    """What a mapping was made from: the node itself, its links to and fro, and what every task takes there."""
    bus = running.bus
    async with (
        watch(bus, PROFILE, "jupiter.profile.node.*", NodeProfile.from_record) as nodes,
        watch(bus, PROFILE, "jupiter.profile.link.*", LinkRow.from_record) as rows,
        watch(bus, PROFILE, f"jupiter.profile.exec.{app.name}.*.{node}", ExecutionProfile.from_record) as _,
    ):
        await until(lambda: node in nodes and rows.keys() >= {node, *others})
        assert nodes[node].host == node != platform.node()
        assert others <= rows[node].links.keys()
        assert all(node in rows[other].links for other in others)
        profiles = await bus.snapshot(PROFILE, subjects.execution_profile(app.name, "*", node))
        read = [ExecutionProfile.from_record(codec.decode_record(each.payload or b"")) for each in profiles]
        assert {each.task for each in read if each.digest == app.digest} == set(app.graph.tasks)


async def test_a_machine_that_leaves_or_is_cut_off_loses_nothing(tmp_path: Path) -> None:
    folder = variant(
        tmp_path / "spread",
        "jupiter_config: {task_mapper: throughput}\nnode_map: {home: home, node1: node1, node2: node2, node3: node3}\n",
    )
    async with site(tmp_path, "node1", "node2", "node3") as running:
        app = await running.submit(folder)
        edges = await running.wait_for_edges(app)
        assert "home" not in nodes_of(edges).values(), "the node map keeps tasks away from it"
        assert len(set(nodes_of(edges).values())) > 1

        leaver = nodes_of(edges)["merge"]
        async with running.load(app, "leaving"):
            leaving = asyncio.create_task(running.leave(leaver))
            edges = await running.wait_for_edges(app, lambda edges: leaver not in nodes_of(edges).values())
            assert await leaving == 0

        lost = nodes_of(edges)["merge"]
        async with running.load(app, "cut") as results:
            running.lab.unplug(running.machines[lost])
            started_s = asyncio.get_running_loop().time()
            after = await running.wait_for_edges(app, lambda edges: lost not in nodes_of(edges).values())
            moved_s = asyncio.get_running_loop().time() - started_s
            print(f"moved away from {lost} in {moved_s:.1f} s")
            assert moved_s < TIMER_S, "the mapper has not waited for its next turn"
            await results.wait_for(results.count + 100)
            # It comes back with workers that still hold items of long ago.
            running.lab.plug_in(running.machines[lost])
            cut_off = [name for _, name in live(edges) if name not in after.incarnations()]
            async with watch(running.bus, STATUS, subjects.status(app.name, "*", "*"), Beat.from_record) as beats:
                await until(lambda: all(name in beats and beats[name].state == GONE for name in cut_off))


async def test_workers_that_were_cut_off_for_longer_than_their_lease_go_on(tmp_path: Path) -> None:
    """A mapping by hand stays, so the very same workers are listed again: nothing sent to them was taken any more."""
    async with site(tmp_path, "node1") as running:
        app = await running.submit(EXAMPLE)
        await running.wait_for_edges(app)
        await running.map(app, {**dict.fromkeys(app.graph.tasks, "home"), "split": "node1", "merge": "node1"})
        async with running.load(app, "cut"):
            before = await running.wait_for_edges(app)
            running.lab.unplug(running.machines["node1"])
            await asyncio.sleep(LEASE_S + 1.0)
            running.lab.plug_in(running.machines["node1"])
            after = await running.wait_for_edges(app, lambda edges: edges.revision > before.revision)
            assert after.workers["merge"] == before.workers["merge"]


async def test_a_task_that_one_machine_alone_can_run_waits_for_it(tmp_path: Path) -> None:
    needy = (
        "import platform\nif platform.node() != 'node2':\n    raise RuntimeError('no screen on ' + platform.node())\n"
    )
    async with (
        site(tmp_path, "node1") as running,
        watch(running.bus, STATUS, "jupiter.status.*.summary.*", Beat.from_record) as beats,
        watch(running.bus, STATUS, "jupiter.status.*.mapper.*", Beat.from_record) as mapper,
    ):
        app = await running.submit(variant(tmp_path / "needy", summary=needy))
        why = await until(lambda: [b.message for b in mapper.values() if "cannot map" in b.message])
        assert "task summary can run on no node: on home it fails on its sample input: summary.py:3:" in why[0]
        assert why[0].endswith("raised RuntimeError: no screen on node1")
        assert {beat.node: beat.state for beat in beats.values()} == {"home": "failed", "node1": "failed"}

        await running.join("node2")
        edges = await running.wait_for_edges(app)
        assert nodes_of(edges)["summary"] == "node2"
        mapping, _ = await running.mapping(app)

        async with running.load(app, "before"):
            by_hand = {**mapping.assignment, "summary": "node1"}
            await running.bus.put_record(subjects.mapping(app.name), json.dumps(by_hand).encode())
            said = await until(
                lambda: [b.message for n, b in beats.items() if b.node == "node1" and n.startswith("summary-")]
            )
            assert "summary.py:3: loading task 'summary' raised RuntimeError: no screen on node1" in said[0]
