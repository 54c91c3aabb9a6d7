"""Two agents with one name: the second refuses, unless the first is silent."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from agents import claim, codepath
from runtime import children
from runtime.bus import Bus
from runtime.profiles import NodeProfile
from runtime.server import EmbeddedServer
from tests.integration.agent_kit import PROFILE, agent, lay_out, watch
from tests.waiting import DEADLINE_S, until


async def refusal(url: str, node: str) -> tuple[int, str]:
    """How an agent ends that may not start, and what it says."""
    argv = [sys.executable, "-m", "agents", "--server", url, "--node", node]
    process = await children.spawn(argv, env=codepath.environment(), stderr=asyncio.subprocess.PIPE)
    _, said = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_a_second_agent_of_a_node_refuses_while_the_first_answers(
    own_server: EmbeddedServer, own_bus: Bus, tmp_path: Path
) -> None:
    await lay_out(own_bus)
    url = own_server.url
    async with (
        watch(own_bus, PROFILE, "jupiter.profile.node.*", NodeProfile.from_record) as nodes,
        agent(url, "n.1", tmp_path, "--incarnation", "first") as first,
    ):
        await until(lambda: nodes)
        status, said = await refusal(url, "n.1")
        assert status == 2
        assert said == (
            "agent n.1: node n.1 has an agent already, first: give this one another --node, or stop that one\n"
        )
        first.kill()
        await first.wait()
        async with agent(url, "n.1", tmp_path, "--incarnation", "successor"):
            await until(lambda: any(profile.agent == "successor" for profile in nodes.values()))


@pytest.mark.faults
async def test_one_that_is_silent_for_its_lease_is_no_reason_to_wait(
    own_server: EmbeddedServer, own_bus: Bus, tmp_path: Path
) -> None:
    await lay_out(own_bus)
    async with (
        watch(own_bus, PROFILE, "jupiter.profile.node.*", NodeProfile.from_record) as nodes,
        agent(own_server.url, "n.1", tmp_path, "--incarnation", "first") as first,
    ):
        await until(lambda: nodes)
        os.kill(first.pid, signal.SIGSTOP)
        stopped_s = time.monotonic()
        async with agent(own_server.url, "n.1", tmp_path, "--incarnation", "second"):
            await until(lambda: any(profile.agent == "second" for profile in nodes.values()))
            assert time.monotonic() - stopped_s > claim.LEASE_S
        first.kill()
