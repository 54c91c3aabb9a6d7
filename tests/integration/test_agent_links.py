"""Agents on a real server measure the links between them, answer one another, and take their leave."""

import asyncio
import time
from pathlib import Path

from agents import link_profiler
from runtime import subjects
from runtime.bus import Bus
from runtime.profiles import LinkRow, NodeProfile
from runtime.server import EmbeddedServer
from tests.integration.agent_kit import PROFILE, agent, lay_out, watch
from tests.waiting import until

NODES = ("home", "rack.1", "node2", "node3")


async def test_four_agents_know_every_link(own_server: EmbeddedServer, own_bus: Bus, tmp_path: Path) -> None:
    await lay_out(own_bus)
    async with (
        watch(own_bus, PROFILE, "jupiter.profile.link.*", LinkRow.from_record) as rows,
        asyncio.TaskGroup() as group,
    ):
        stop = asyncio.Event()

        async def serve(node: str) -> None:
            async with agent(own_server.url, node, tmp_path):
                await stop.wait()

        started_s = time.perf_counter()
        for node in NODES:
            group.create_task(serve(node))

        def links() -> int:
            return sum(link.state == "ok" for row in rows.values() for link in row.links.values())

        await until(lambda: links() == len(NODES) * (len(NODES) - 1))
        took_s = time.perf_counter() - started_s
        print(f"12 links known after {took_s:.2f} s")
        for token, row in rows.items():
            assert row.source == subjects.node_name(token)
            for link in row.links.values():
                assert 0 < link.latency_s < 1.0
                assert 1e5 < link.bandwidth_bytes_per_s < 1e11
        stop.set()


async def test_a_node_that_leaves_or_falls_silent_leaves_the_rows(
    own_server: EmbeddedServer, own_bus: Bus, tmp_path: Path
) -> None:
    await lay_out(own_bus)
    async with (
        watch(own_bus, PROFILE, "jupiter.profile.link.*", LinkRow.from_record) as rows,
        watch(own_bus, PROFILE, "jupiter.profile.node.*", NodeProfile.from_record) as nodes,
        agent(own_server.url, "a", tmp_path),
    ):
        async with agent(own_server.url, "b", tmp_path), agent(own_server.url, "c", tmp_path) as killed:
            await until(lambda: "a" in rows and rows["a"].links.keys() == {"b", "c"})
            killed.kill()
            down = await until(lambda: rows["a"].links["c"].state == "down")
            assert down
        await until(lambda: "b" not in rows["a"].links)
        assert nodes["b"].gone
        assert "c" in rows["a"].links


async def test_probes_survive_a_restart_of_the_server(own_server: EmbeddedServer, own_bus: Bus, tmp_path: Path) -> None:
    await lay_out(own_bus)
    async with (
        watch(own_bus, PROFILE, "jupiter.profile.node.*", NodeProfile.from_record) as nodes,
        watch(own_bus, PROFILE, "jupiter.profile.link.*", LinkRow.from_record) as rows,
        agent(own_server.url, "a", tmp_path) as first,
        agent(own_server.url, "b", tmp_path) as second,
    ):
        await until(lambda: "a" in rows and "b" in rows["a"].links)
        await own_server.kill()
        await asyncio.sleep(1.0)
        await own_server.restart()
        before = nodes["a"]
        await until(lambda: nodes["a"] != before and rows["a"].links["b"].state == "ok")
        assert first.returncode is None and second.returncode is None


async def test_nonsense_on_the_probe_subjects_disturbs_nobody(
    own_server: EmbeddedServer, own_bus: Bus, tmp_path: Path
) -> None:
    await lay_out(own_bus)
    async with (
        watch(own_bus, PROFILE, "jupiter.profile.link.*", LinkRow.from_record) as rows,
        agent(own_server.url, "a", tmp_path),
    ):
        for kind in ("ping", "lease", "done", "bulk"):
            for payload in (b"", b"\xff" * 30, b"{}"):
                own_bus.send(subjects.probe("a", kind), payload)
        own_bus.send(subjects.node_profile("b"), b"not a profile")
        async with agent(own_server.url, "b", tmp_path):
            await until(lambda: "a" in rows and "b" in rows and rows["b"].links.keys() == {"a"})
    assert link_profiler.BULK_PERIOD_S > 60
