"""Five one-line tasks in a diamond, 1 KB items: Jupiter beside a hand-written core-NATS chain, in turn, in one run.

    python tests/benchmarks/bench_diamond.py [--items 20000] [--rounds 3] [--json]

Items per second is the best round of each; latency is with one item in flight; CPU is of every process but the
load generator (server, gateway, workers, and of Jupiter the agents and the dispatcher too).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgpack
import uvloop

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from runtime import children, subjects
from runtime.bus import Bus, connect
from runtime.message import Message, Outgoing
from runtime.server import EmbeddedServer
from tests.integration.cluster import Cluster, cluster

PAYLOAD = os.urandom(1024)
SINGLES = 500
TASKS = ("fork", "left", "right", "join", "last")


@dataclass
class Figures:
    """What one system did."""

    items_per_s: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    cpu_us_per_item: float = 0.0


class Counter:
    """Counts results and wakes whoever waits for a number of them."""

    def __init__(self) -> None:
        self.count = 0
        self._wanted = 0
        self._event = asyncio.Event()

    def take(self, message: Message) -> None:
        self.count += 1
        if self.count >= self._wanted:
            self._event.set()

    async def reach(self, wanted: int) -> None:
        self._wanted = wanted
        self._event.clear()
        if self.count < wanted:
            async with asyncio.timeout(120):
                await self._event.wait()


def cpu_s(process_ids: list[int]) -> dict[int, float]:
    """CPU seconds, user and system, of the processes that are there."""
    found = {}
    for process_id in process_ids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()
            found[process_id] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def spent_s(before: dict[int, float], process_ids: list[int]) -> float:
    """CPU seconds since `before`."""
    return sum(now_s - before[each] for each, now_s in cpu_s(process_ids).items() if each in before)


def descendants(process_id: int) -> list[int]:
    """Every process below one, itself left out."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process_id)], capture_output=True, text=True, check=False)
    own = [int(word) for word in found.stdout.split()]
    return own + [below for each in own for below in descendants(each)]


Send = Callable[[int], Awaitable[None]]


async def measure(figures: Figures, send: Send, counter: Counter, items: int, others: list[int]) -> None:
    """One round: latency item by item, then as many as it takes in one go; the best of each is kept."""
    latencies_s = []
    for _ in range(SINGLES):
        start, wanted = time.perf_counter(), counter.count + 1
        await send(1)
        await counter.reach(wanted)
        latencies_s.append(time.perf_counter() - start)
    latencies_s.sort()
    p50_ms = round(latencies_s[SINGLES // 2] * 1e3, 3)
    if not figures.p50_ms or p50_ms < figures.p50_ms:
        figures.p50_ms, figures.p99_ms = p50_ms, round(latencies_s[int(SINGLES * 0.99)] * 1e3, 3)
    wanted, cpu_before_s, start = counter.count + items, cpu_s(others), time.perf_counter()
    await send(items)
    await counter.reach(wanted)
    items_per_s = round(items / (time.perf_counter() - start))
    if items_per_s > figures.items_per_s:
        figures.items_per_s = items_per_s
        figures.cpu_us_per_item = round(spent_s(cpu_before_s, others) / items * 1e6, 1)


def jupiter_sender(bus: Bus, app: str, window: int) -> Send:
    """Store inputs in the ingress, pipelined; every one is acknowledged by the server."""

    async def send(count: int) -> None:
        pending: set[asyncio.Future[Any]] = set()
        for start in range(0, count, 100):
            batch = [Outgoing(subjects.ingress(app), PAYLOAD)] * min(100, count - start)
            pending.update(bus.store_many(batch, 60.0))
            while len(pending) >= window:
                _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(*pending)

    return send


def chain_sender(bus: Bus, counter: Counter, window: int) -> Send:
    """Publish to the first task; what is in flight is bounded, because core NATS drops what is too much."""
    sent = 0

    async def send(count: int) -> None:
        nonlocal sent
        for _ in range(count):
            sent += 1
            bus.send("chain.fork", msgpack.packb((sent, "home", PAYLOAD)))
            if sent - counter.count >= window:
                await counter.reach(sent - window // 2)

    return send


async def chain(stack: AsyncExitStack) -> tuple[Bus, Counter, list[int]]:
    """The hand-written chain on a server of its own."""
    server = await stack.enter_async_context(EmbeddedServer())
    bus = await stack.enter_async_context(connect(server.url, name="load"))
    counter = Counter()
    await bus.subscribe("chain.out", counter.take)
    processes = []
    for task in TASKS:
        argv = [sys.executable, str(HERE / "core_chain.py"), server.url, task]
        process = await children.spawn(argv, stdout=subprocess.PIPE)
        assert process.stdout is not None
        await process.stdout.readline()
        stack.push_async_callback(children.stop, process, 1.0)
        processes.append(process.pid)
    return bus, counter, [*processes, server.pid]


async def jupiter(stack: AsyncExitStack) -> tuple[Cluster, Counter, list[int]]:
    """The diamond on Jupiter: one node, everything in processes of its own."""
    running = await stack.enter_async_context(cluster(["home"]))
    app = await running.submit(HERE / "diamond")
    await running.map(app, dict.fromkeys(app.graph.tasks, "home"))
    counter = Counter()
    await running.bus.subscribe(subjects.egress(app.name), counter.take)
    return running, counter, descendants(os.getpid())


async def run(items: int, rounds: int) -> dict[str, Figures]:
    """Both systems stand ready; they are measured in turn."""
    ours, yardstick = Figures(), Figures()
    async with AsyncExitStack() as stack:
        running, our_counter, our_processes = await jupiter(stack)
        chain_bus, chain_counter, chain_processes = await chain(stack)
        for number in range(rounds):
            window = (512, 1024, 2048)[number % 3]
            await measure(ours, jupiter_sender(running.bus, "diamond", 2 * window), our_counter, items, our_processes)
            await measure(
                yardstick, chain_sender(chain_bus, chain_counter, window), chain_counter, items, chain_processes
            )
    return {"jupiter": ours, "core NATS by hand": yardstick}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = uvloop.run(run(options.items, options.rounds))
    if options.json:
        print(json.dumps({name: asdict(each) for name, each in figures.items()}))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{'':<20} {'items/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'CPU us/item':>12}")
    for name, each in figures.items():
        row = f"{each.items_per_s:>9} {each.p50_ms:>8} {each.p99_ms:>8} {each.cpu_us_per_item:>12}"
        print(f"{name:<20} {row}")
    ours, yardstick = figures.values()
    print(f"{'ratio':<20} {ours.items_per_s / yardstick.items_per_s:>9.2f} {ours.p50_ms / yardstick.p50_ms:>8.2f}")


if __name__ == "__main__":
    main()
