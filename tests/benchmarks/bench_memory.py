"""A million items of 1 KB through five one-line tasks in a diamond: the memory of every process, all the way.

    python tests/benchmarks/bench_memory.py [--items 1000000] [--json]

Results are read and acknowledged as they come. They stay in the egress for a minute even so, because a result is what
refuses its double: the server is measured by what it grows by with each result that it keeps (least squares over the
samples; what it takes with none is what the traffic itself costs). Exit code 1 when a process grows beyond its bound:
120 MB for a worker or the gateway, 300 bytes per kept result for nats-server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from runtime import subjects
from runtime.app import App
from runtime.bus import connect
from runtime.message import Delivery, Outgoing
from tests.integration.cluster import Cluster, cluster, worker_processes

ITEM_BYTES = 1024
UNDER_WAY = 4096
READ_AHEAD = 4096
SAMPLE_S = 1.0
STALLED_S = 60.0
MOST_MB = 120.0
MOST_BYTES_PER_RESULT = 300.0
SERVER = "nats-server"


@dataclass
class Run:
    """What happened up to now."""

    sent: int = 0
    read: int = 0
    seconds: float = 0.0
    kept: list[int] = field(default_factory=list)
    """Results in the egress, by sample."""
    memory_mb: dict[str, list[float]] = field(default_factory=dict)
    """Resident, by process and sample."""


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def watched(running: Cluster, app: App) -> dict[str, int]:
    found = {f"worker {task}": worker_processes(task, running.server.url)[0] for task in app.graph.tasks}
    return {**found, "gateway": running.processes["gateway"].pid, SERVER: running.server.pid or 0}


async def send(running: Cluster, app: App, run: Run, items: int) -> None:
    """As fast as the ingress takes them, and no more than so many ahead of the results."""
    payload, subject = os.urandom(ITEM_BYTES), subjects.ingress(app.name)
    while run.sent < items:
        while run.sent - run.read > 4 * UNDER_WAY:
            await asyncio.sleep(0.002)
        batch = [Outgoing(subject, payload)] * min(512, items - run.sent)
        await asyncio.gather(*running.bus.store_many(batch, 60.0))
        run.sent += len(batch)


@asynccontextmanager
async def reading(running: Cluster, app: App, run: Run) -> AsyncIterator[None]:
    """On a connection of its own, as another program would."""
    async with connect(running.server.url, name="reader") as bus:

        def take(delivery: Delivery) -> None:
            run.read += 1
            bus.acknowledge([delivery.reply])
            pull.want(READ_AHEAD)

        pull = await bus.pull(subjects.egress_stream(app.name), subjects.RESULTS_CONSUMER, take)
        pull.want(READ_AHEAD)
        try:
            yield
        finally:
            await pull.stop()


async def sample(running: Cluster, app: App, run: Run, items: int) -> None:
    """Until all results are read. Raises SystemExit when nothing comes any more."""
    processes = watched(running, app)
    start_s = moved_s = time.monotonic()
    last = -1
    while run.read < items:
        state = await running.bus.stream_state(subjects.egress_stream(app.name))
        run.kept.append(0 if state is None else state.messages)
        for name, pid in processes.items():
            run.memory_mb.setdefault(name, []).append(resident_mb(pid))
        now_s = time.monotonic()
        if run.read > last:
            last, moved_s = run.read, now_s
        elif now_s - moved_s > STALLED_S:
            raise SystemExit(f"{run.read} of {items} results, and no more for {STALLED_S:g} s")
        if len(run.kept) % 10 == 0:
            server_mb = run.memory_mb[SERVER][-1]
            words = f"{run.read:,} results, {run.kept[-1]:,} kept, {SERVER} {server_mb:.0f} MB"
            print(f"{now_s - start_s:6.0f} s: {words}", file=sys.stderr)
        await asyncio.sleep(SAMPLE_S)
    run.seconds = time.monotonic() - start_s


async def measure(items: int) -> Run:
    run = Run()
    async with cluster(["home"]) as running:
        app = await running.submit(HERE / "diamond")
        await running.map(app, dict.fromkeys(app.graph.tasks, "home"))
        async with reading(running, app, run), asyncio.TaskGroup() as group:
            group.create_task(send(running, app, run, items))
            await sample(running, app, run, items)
    return run


def bytes_per_result(run: Run) -> float:
    """The server's growth with each result that it keeps."""
    return statistics.linear_regression(run.kept, run.memory_mb[SERVER]).slope * 1e6


def rows(run: Run) -> list[tuple[str, list[float]]]:
    """Of each process: at the quarters of the run, and the most."""
    marks = [round(quarter / 4 * (len(run.kept) - 1)) for quarter in range(5)]
    return [(name, [*(values[mark] for mark in marks), max(values)]) for name, values in run.memory_mb.items()]


def faults(run: Run) -> list[str]:
    found = [f"{name} took {max(v):.0f} MB" for name, v in run.memory_mb.items() if name != SERVER and max(v) > MOST_MB]
    if bytes_per_result(run) > MOST_BYTES_PER_RESULT:
        found.append(f"{SERVER} took {bytes_per_result(run):.0f} bytes per kept result")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    run = uvloop.run(measure(options.items))
    about: dict[str, Any] = {
        "items": run.read,
        "seconds": round(run.seconds, 1),
        "items_per_s": round(run.read / run.seconds),
        "most_kept": max(run.kept),
        "server_bytes_per_kept_result": round(bytes_per_result(run)),
        "faults": faults(run),
    }
    if options.json:
        print(json.dumps({**about, "memory_mb": dict(rows(run))}))
    else:
        print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
        print(
            f"{'resident MB at':<16}"
            + "".join(f"{word:>8}" for word in ("0 %", "25 %", "50 %", "75 %", "100 %", "most"))
        )
        for name, values in rows(run):
            print(f"{name:<16}" + "".join(f"{value:>8.1f}" for value in values))
        print(", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in about.items()))
    return 1 if about["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
