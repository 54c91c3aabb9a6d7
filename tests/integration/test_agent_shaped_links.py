"""Links whose truth is known: network namespaces behind token buckets, through a real server."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agents import codepath
from runtime import children
from runtime.bus import connect
from runtime.profiles import LinkRow
from runtime.server import find_binary
from tests.integration.agent_kit import PROFILE, lay_out, watch
from tests.waiting import until

PAYLOAD_RATIO = 1448 / 1514
"""Of an Ethernet frame full of TCP, which is what the bucket counts."""
PORT = 47219

pytestmark = pytest.mark.netns


def run(command: str) -> None:
    subprocess.run(command.split(), check=True, capture_output=True, text=True)


@pytest.fixture
def shaped() -> Iterator[dict[str, float]]:
    """Two namespaces, each behind buckets both ways; their Mbit/s by node."""
    rates = {"fast": 40.0, "slow": 8.0}
    try:
        for n, (node, rate) in enumerate(rates.items(), 1):
            space = f"jupiter-{node}"
            run(f"ip netns add {space}")
            run(f"ip link add jup{n} type veth peer name eth0 netns {space}")
            run(f"ip addr add 10.213.{n}.1/24 dev jup{n}")
            run(f"ip link set jup{n} up")
            run(f"ip -n {space} addr add 10.213.{n}.2/24 dev eth0")
            run(f"ip -n {space} link set eth0 up")
            shape = f"root tbf rate {rate}mbit burst 32kbit limit 300kb"
            run(f"tc qdisc add dev jup{n} {shape}")
            run(f"ip netns exec {space} tc qdisc add dev eth0 {shape}")
        yield rates
    except (subprocess.CalledProcessError, OSError) as error:
        pytest.skip(f"network namespaces are not permitted here: {error}")
    finally:
        for node in rates:
            with contextlib.suppress(subprocess.CalledProcessError, OSError):
                run(f"ip netns del jupiter-{node}")


@contextlib.asynccontextmanager
async def started(argv: list[str]) -> AsyncIterator[None]:
    process = await children.spawn(argv, env=codepath.environment(), stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        await children.stop(process, 5.0)


async def test_bandwidth_is_found_within_a_few_percent(shaped: dict[str, float], tmp_path: Path) -> None:
    config = tmp_path / "server.conf"
    config.write_text(f'listen: "0.0.0.0:{PORT}"\njetstream {{ store_dir: "{tmp_path}" }}\n')
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(started([os.fspath(find_binary()), "-c", os.fspath(config)]))
        await asyncio.sleep(0.5)
        bus = await stack.enter_async_context(connect(f"nats://127.0.0.1:{PORT}", name="test"))
        await lay_out(bus)
        rows = await stack.enter_async_context(watch(bus, PROFILE, "jupiter.profile.link.*", LinkRow.from_record))
        for n, node in enumerate(shaped, 1):
            url = f"nats://10.213.{n}.1:{PORT}"
            argv = ["ip", "netns", "exec", f"jupiter-{node}", sys.executable, "-m", "agents"]
            argv += ["--server", url, "--node", node, "--cache", os.fspath(tmp_path / "cache")]
            await stack.enter_async_context(started(argv))
        await until(lambda: sum(len(row.links) for row in rows.values()) == 2)
        truth = min(shaped.values()) * 1e6 / 8 * PAYLOAD_RATIO
        for token, row in rows.items():
            (link,) = row.links.values()
            print(f"from {token}: {link.bandwidth_bytes_per_s / truth - 1:+.1%}")
            assert link.bandwidth_bytes_per_s == pytest.approx(truth, rel=0.07)
            assert link.latency_s < 0.01
