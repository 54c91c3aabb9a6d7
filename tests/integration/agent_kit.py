"""Agents as processes, and small applications, for the tests of the agents."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from textwrap import dedent
from typing import Any, TypeVar

from agents import codepath
from circe.layout import system_streams
from runtime import bundle, children, codec, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.graph import Task, TaskGraph
from runtime.message import Record
from runtime.records import DesiredWorker, EdgeRecord

T = TypeVar("T")
PROFILE, STATUS, CONTROL = subjects.PROFILE_STREAM, subjects.STATUS_STREAM, subjects.CONTROL_STREAM


async def lay_out(bus: Bus) -> None:
    """The streams the dispatcher makes."""
    for spec in system_streams():
        await bus.ensure_stream(spec)


@contextlib.asynccontextmanager
async def agent(
    url: str, node: str, cache: Path, *arguments: str, **environment: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """An agent's process, ended (cleanly if it still runs) on leaving."""
    argv = [sys.executable, "-m", "agents", "--server", url, "--node", node, "--cache", str(cache), *arguments]
    env = {**codepath.environment(), "JUPITER_LOG": "info", **environment}
    process = await children.spawn(argv, env=env)
    try:
        yield process
    finally:
        await children.stop(process, 10.0)


@contextlib.asynccontextmanager
async def watch(
    bus: Bus, stream: str, subject: str, read: Callable[[dict[str, Any]], T]
) -> AsyncIterator[dict[str, T]]:
    """The present records of a subject, by their last token, kept up to date."""
    found: dict[str, T] = {}

    def take(record: Record) -> None:
        token = record.subject.rpartition(".")[2]
        if record.payload is None:
            found.pop(token, None)
        else:
            found[token] = read(codec.decode_record(record.payload))

    async with bus.follow(stream, subject, take):
        yield found


def write_app(folder: Path, scripts: dict[str, str], sample: str | None = "1\n2\n3\n") -> App:
    """A chain of tasks, one per script, on sample lines of JSON."""
    folder.mkdir()
    for name, source in scripts.items():
        (folder / f"{name}.py").write_text(dedent(source))
    if sample is not None:
        (folder / "sample_input").mkdir()
        (folder / "sample_input" / "in.txt").write_text(sample)
    names = list(scripts)
    tasks = {
        name: Task(name=name, script=f"{name}.py", children=(child,))
        for name, child in zip(names, [*names[1:], "home"], strict=True)
    }
    return App(name=folder.name, graph=TaskGraph(tasks, (names[0],)))


async def submit(bus: Bus, folder: Path, app: App) -> App:
    """Put the code and the application's record on the bus."""
    packed = bundle.pack(folder, app)
    submitted = app.with_digest(packed.digest)
    await bus.put_object(subjects.BUNDLES, packed.digest, packed.payload)
    await bus.put_record(subjects.app(app.name), codec.encode_record(submitted.to_record()))
    return submitted


async def desire(bus: Bus, app: App, task: str, node: str, replicas: int = 1) -> DesiredWorker:
    """What the dispatcher says when it wants a worker."""
    wanted = DesiredWorker(app=app.name, task=task, node=node, digest=app.digest, epoch=1, replicas=replicas)
    await bus.put_record(subjects.worker(node, app.name, task), codec.encode_record(wanted.to_record()))
    return wanted


async def send_to(bus: Bus, app: App, revision: int, **workers: tuple[str, ...]) -> None:
    """What the dispatcher says of whom the senders may send to."""
    edges = EdgeRecord(app=app.name, revision=revision, digest=app.digest, workers=workers)
    await bus.put_record(subjects.edges(app.name), codec.encode_record(edges.to_record()))


def is_alive(pid: int) -> bool:
    """Whether a process runs (one that only waits to be reaped does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children_of(pid: int) -> list[int]:
    """Processes whose parent is `pid`."""
    found = []
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            fields = Path(f"/proc/{int(entry)}/stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(entry))
    return found
