"""What a worker does for an item beside calling the task: CPU per item of every worker of the example.

    python tests/benchmarks/bench_handling.py [--items 20000] [--words 8] [--per-s 50]

Everything on one node, without a quota. The mapper adds this to what a task takes (`runtime.handling`): a part taken
off the bus, an output sent on, a result stored, and the bytes of the first two. `split` takes one part and sends two
outputs, `count` and `length` send one, `merge` takes two parts, `summary` stores a result; the user's own code is in it
and is printed beside it. The gateway and the server are what home does for an input (the server does it for the
producer and the reader too). With many words per line the bytes of `split`'s input and outputs are what counts; with
few items per second that every item comes alone, and its worker has to wake up for it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from agents.resources import score
from runtime import codec, subjects
from runtime.app import App
from runtime.records import Beat
from tests.integration.cluster import REPOSITORY, Cluster, Results, cluster, worker_processes

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(process_id: int) -> float:
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


async def send(running: Cluster, app: App, lines: list[bytes], per_s: float | None) -> None:
    if per_s is None:
        await running.send(app, lines)
        return
    started_s = time.monotonic()
    for number, line in enumerate(lines):
        await asyncio.sleep(started_s + number / per_s - time.monotonic())
        await running.send(app, [line], f"at its pace {number}")


async def measure(items: int, words: int, per_s: float | None) -> None:
    async with cluster(("home",)) as running:
        app = await running.submit(REPOSITORY / "app_specific_files" / "example")
        await running.map(app, dict.fromkeys(app.graph.tasks, "home"))
        results = Results()
        await running.bus.subscribe(subjects.egress(app.name), results.take)
        tail = " ".join(["word"] * (words - 1))
        lines = [f"{number} {tail}".encode() for number in range(items)]
        warm_up = items // 4
        await running.send(app, lines[:warm_up], "warm")
        await results.wait_for(warm_up)
        processes = {task: worker_processes(task, running.server.url) for task in app.graph.order}
        assert running.server.pid is not None
        processes |= {"gateway": [running.processes["gateway"].pid], "nats-server": [running.server.pid]}
        before = {name: sum(map(cpu_s, found)) for name, found in processes.items()}
        await send(running, app, lines, per_s)
        await results.wait_for(warm_up + items)
        after = {name: sum(map(cpu_s, found)) for name, found in processes.items()}
        await asyncio.sleep(1.0)
        own = {}
        for record in await running.bus.snapshot(subjects.STATUS_STREAM, subjects.status(app.name, "*", "*")):
            beat = Beat.from_record(codec.decode_record(record.payload or b""))
            own[beat.task] = beat.latencies_s.get("p50", 0.0)
    sent = len(json.dumps(lines[-1].decode().split(), separators=(",", ":")))
    print(f"speed score {score(1.0):.1f}; split takes {len(lines[-1])} B and sends {sent} B twice")
    print("microseconds of CPU per item")
    for name in processes:
        its_own = f", its own code {own[name] * 1e6:6.1f}" if name in own else ""
        print(f"{name:>11} {(after[name] - before[name]) / items * 1e6:7.1f}{its_own}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--words", type=int, default=8, help="per line")
    parser.add_argument("--per-s", type=float, help="at this pace; without it, as fast as it goes")
    given = parser.parse_args()
    asyncio.run(measure(given.items, given.words, given.per_s))


if __name__ == "__main__":
    main()
