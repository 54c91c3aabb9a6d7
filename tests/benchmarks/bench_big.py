"""One large item through the example's shape (split, two branches that copy it, join, result): time and memory.

    python tests/benchmarks/bench_big.py [--gigabytes 1] [--max-payload 1048576] [--json]

Everything runs on this machine, two nodes. Beside it, one small item at a time goes through the same tasks' neighbours:
the same diamond under another name, first alone and then while the large one is under way. The peak is of resident
memory, of every process of ours and of the server (`VmHWM`).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from runtime import object_files, subjects
from runtime.app import App
from runtime.message import Message
from runtime.reference import OBJECT_HEADER, Reference, from_headers
from tests.integration.cluster import Cluster, cluster

PIECE_BYTES = 1 << 20
WARM_UP = 100
PLACES = {"split": "home", "left": "node1", "right": "home", "merge": "node1"}


def write_random(path: Path, size_bytes: int) -> str:
    """A file that no compression makes small; its SHA-256."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for start in range(0, size_bytes, PIECE_BYTES):
            piece = os.urandom(min(PIECE_BYTES, size_bytes - start))
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def descendants(process_id: int) -> list[int]:
    """Every process below one, itself left out."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process_id)], capture_output=True, text=True, check=False)
    own = [int(word) for word in found.stdout.split()]
    return own + [below for each in own for below in descendants(each)]


def peaks_mb() -> dict[str, float]:
    """Peak resident memory of every process below this one and of this one."""
    found: dict[str, float] = {}
    for process_id in [os.getpid(), *descendants(os.getpid())]:
        with contextlib.suppress(OSError, StopIteration):
            words = Path(f"/proc/{process_id}/cmdline").read_bytes().decode().split("\0")
            lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
            kilobytes = int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
            name = _name(words)
            found[name] = max(found.get(name, 0.0), round(kilobytes / 1024, 1))
    return found


def _name(words: list[str]) -> str:
    if "nats-server" in words[0]:
        return "nats-server"
    for option in ("--task", "--node"):
        if "agents" in words and option in words:
            return f"agent {words[words.index('--node') + 1]}"
        if option in words and "worker" in words:
            return f"worker {words[words.index('--app') + 1]}.{words[words.index(option) + 1]}"
    return next((name for name in ("gateway", "dispatcher") if name in words), "this client")


class Neighbour:
    """One small item after the other, each when the last one's result has come."""

    def __init__(self, running: Cluster, app: App) -> None:
        self._running = running
        self._app = app
        self._came = asyncio.Event()
        self.latencies_s: list[float] = []

    async def listen(self) -> None:
        await self._running.bus.subscribe(subjects.egress(self._app.name), lambda _: self._came.set())

    async def one(self) -> None:
        self._came.clear()
        start_s = time.perf_counter()
        await self._running.bus.store_until(subjects.ingress(self._app.name), b"small")
        async with asyncio.timeout(60.0):  # not `wait_for`, which may lose the cancellation that ends us
            await self._came.wait()
        self.latencies_s.append(time.perf_counter() - start_s)

    def p50_ms(self) -> float:
        taken, self.latencies_s = sorted(self.latencies_s), []
        return round(taken[len(taken) // 2] * 1e3, 2)


async def submit(running: Cluster, folder: Path) -> App:
    app = await running.submit(folder)
    await running.map(app, PLACES)
    return app


async def run(size_bytes: int, max_payload_bytes: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="bench-big-") as scratch:
        source, neighbours = Path(scratch, "source"), Path(scratch, "small")
        shutil.copytree(HERE / "big", neighbours)
        digest = write_random(source, size_bytes)
        async with cluster(("home", "node1"), max_payload_bytes=max_payload_bytes) as running:
            app, small = await submit(running, HERE / "big"), await submit(running, neighbours)
            neighbour = Neighbour(running, small)
            await neighbour.listen()
            for _ in range(WARM_UP):
                await neighbour.one()
            neighbour.latencies_s.clear()
            for _ in range(WARM_UP):
                await neighbour.one()
            alone_ms = neighbour.p50_ms()
            figures = await through(running, app, source, size_bytes, neighbour)
            beside_ms = neighbour.p50_ms()
            figures |= {"small p50 ms alone": alone_ms, "small p50 ms beside": beside_ms}
            figures["ratio"] = round(beside_ms / alone_ms, 1)
            figures["same sha256"] = figures.pop("sha256") == digest
            figures["peak MB"] = dict(sorted(peaks_mb().items()))
            return figures


async def through(running: Cluster, app: App, source: Path, size_bytes: int, neighbour: Neighbour) -> dict[str, Any]:
    """The large item in and its result out again, with small ones going round meanwhile."""
    result: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    await running.bus.subscribe(subjects.egress(app.name), lambda message: result.done() or result.set_result(message))
    going = asyncio.create_task(_go_round(neighbour))
    bucket = subjects.objects(app.name)
    started_s = time.perf_counter()
    with source.open("rb") as file:
        await object_files.write(running.bus, bucket, file, lambda _: "input")
    uploaded_s = time.perf_counter()
    await running.bus.store_until(subjects.ingress(app.name), b"", {OBJECT_HEADER: "input"})
    async with asyncio.timeout(900):
        message = await result
    ended_s = time.perf_counter()
    reference = from_headers(message.headers)
    assert isinstance(reference, Reference)
    with tempfile.TemporaryFile() as target:
        await object_files.read(running.bus, bucket, reference, target)
    read_s = time.perf_counter()
    going.cancel()
    await asyncio.gather(going, return_exceptions=True)
    return {
        "gigabytes": round(size_bytes / 1e9, 3),
        "seconds to upload": round(uploaded_s - started_s, 1),
        "seconds to the result": round(ended_s - uploaded_s, 1),
        "seconds to download": round(read_s - ended_s, 1),
        "sha256": reference.sha256,
    }


async def _go_round(neighbour: Neighbour) -> None:
    while True:
        await neighbour.one()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--max-payload", type=int, default=1 << 20, help="bytes that the server takes in one message")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = uvloop.run(run(int(options.gigabytes * 1e9), options.max_payload))
    if options.json:
        print(json.dumps(figures))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for name, value in figures.items():
        if isinstance(value, dict):
            print(f"{name}:")
            for each, found in value.items():
                print(f"    {each:<24} {found:>8}")
        else:
            print(f"{name:<28} {value}")


if __name__ == "__main__":
    main()
