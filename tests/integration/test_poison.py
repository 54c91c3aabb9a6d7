"""Items that take their process with them, one way or the other: each is charged alone, and everybody else goes on."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import pytest_asyncio

from runtime import codec, subjects
from runtime.app import App
from runtime.message import Message
from runtime.records import GONE, Beat
from tests.integration.cluster import Cluster, Results, cluster, live, worker_processes
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

ITEMS = 40
POISON = 17
TIMEOUT_S = 0.5

DIED = "the task's process died: "
TOOK = f"took longer than timeout_s {TIMEOUT_S:g} s"
KINDS = {
    "hang": ("while True: pass", TOOK),
    "sleep": ("time.sleep(60)", TOOK),
    "regex": ("re.match(r'(a*)*b', 'a' * 40)", TOOK),
    "gil": ("ctypes.PyDLL(None).sleep(60)", TOOK),
    "segfault": ("print('last words', end=''); ctypes.string_at(0)", DIED + "segmentation fault"),
    "exit": ("os._exit(3)", DIED + "it ended itself with status 3"),
    "sysexit": ("sys.exit(4)", "SystemExit: 4"),
    "abort": ("os.abort()", DIED + "aborted"),
    "raise": ("raise ValueError('no ' + str(item))", "ValueError: no 17"),
    "memory": (
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, -1)); hog = bytearray(1 << 30)",
        "MemoryError",
    ),
}
ASYNC_KINDS = {
    "wait": ("await asyncio.sleep(60)", TOOK),
    "deaf": (
        "while True:\n            try:\n                await asyncio.sleep(60)\n"
        "            except asyncio.CancelledError:\n                pass",
        TOOK,
    ),
    "block": ("while True: pass", TOOK),
    "crash": ("ctypes.string_at(0)", DIED + "segmentation fault"),
    "thread": ("await asyncio.to_thread(ctypes.string_at, 0)", DIED + "segmentation fault"),
}
IMPORTS = "import asyncio, ctypes, os, re, resource, sys, time\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Cluster]:
    async with cluster(("home",)) as made:
        yield made


def write(folder: Path, script: str, options: str = "", children: str = "home") -> Path:
    folder.mkdir()
    (folder / "app_config.yaml").write_text(
        "application:\n  codec: json\n  tasks:\n    home: {children: [work]}\n    dag_tasks:\n"
        f"      - {{name: work, base_script: work.py, children: [{children}]{options}}}\n"
    )
    (folder / "work.py").write_text(IMPORTS + dedent(script))
    return folder


class Recorder:
    """Results and beats."""

    def __init__(self) -> None:
        self.results = Results()
        self.beats: list[Beat] = []

    def on_beat(self, message: Message) -> None:
        self.beats.append(Beat.from_record(codec.decode_record(message.payload)))

    def own_beats(self) -> list[Beat]:
        """Without those that the agent speaks for a worker that cannot."""
        return [beat for beat in self.beats if beat.state != GONE and not beat.is_spoken_for]


@asynccontextmanager
async def started(running: Cluster, folder: Path) -> AsyncIterator[tuple[App, Recorder]]:
    app = await running.submit(folder)
    recorder = Recorder()
    await running.bus.subscribe(subjects.egress(app.name), recorder.results.take)
    await running.bus.subscribe(subjects.status(app.name, "work", "*"), recorder.on_beat)
    await running.map(app, {"work": "home"})
    try:
        yield app, recorder
    finally:
        await running.bus.delete_record(subjects.CONTROL_STREAM, subjects.app(app.name))


async def letters(running: Cluster, app: App) -> list[dict[str, Any]]:
    found = await running.bus.read_stream(subjects.dead_stream(app.name), subjects.dead(app.name))
    return [json.loads(letter.payload) for letter in found]


async def poison(running: Cluster, folder: Path, error: str) -> tuple[dict[str, Any], Recorder]:
    """Feed an application in which one item is deadly; what became of that item."""
    async with started(running, folder) as (app, recorder):
        await running.send(app, [str(number).encode() for number in range(ITEMS)])
        await recorder.results.wait_for(ITEMS - 1)
        await running.ended(app)
        found = await letters(running, app)
    assert [letter["input"] for letter in found] == [{"text": str(POISON)}]
    letter = found[0]
    assert letter["error"] == error
    assert letter["attempts"] == 2
    assert letter["node"] == "home"
    values = sorted(int(payloads[0]) for payloads in recorder.results.values.values())
    assert values == [number for number in range(ITEMS) if number != POISON]
    assert recorder.results.twice() == []
    return letter, recorder


@pytest.mark.parametrize("kind", KINDS)
async def test_an_item_that_ends_its_process_is_charged_alone(kind: str, running: Cluster, tmp_path: Path) -> None:
    deadly, error = KINDS[kind]
    script = f"def process(item, ctx):\n    if item == {POISON}:\n        {deadly}\n    return item\n"
    folder = write(tmp_path / kind, script, f", timeout_s: {TIMEOUT_S}, retries: 1")
    letter, recorder = await poison(running, folder, error)
    if kind not in ("exit", "abort", "memory"):
        assert 'work.py", line 4' in letter["traceback"], letter["traceback"]
    deaths = [beat.message for beat in recorder.beats if beat.state == GONE and "item" in beat.message]
    if error.startswith((DIED, TOOK)):
        item_id = letter["id"]
        assert deaths == [f"{error}, in item {item_id} (attempt {attempt})" for attempt in (1, 2)]
    else:
        assert deaths == []


async def test_what_an_item_leaves_behind_does_not_end_processes_for_ever(running: Cluster, tmp_path: Path) -> None:
    """It dies when the item has left user code, before its result is on its way."""
    script = (
        "import circe.flow\ndef process(item, ctx):\n    if item == 1:\n"
        "        circe.flow.Flow.done = lambda *_: ctypes.string_at(0)\n    return item\n"
    )
    async with started(running, write(tmp_path / "late", script, ", retries: 0")) as (app, recorder):
        await running.send(app, [b"0", b"1"])
        await running.ended(app)
        (letter,) = await letters(running, app)
        assert (letter["input"], letter["error"]) == ({"text": "1"}, DIED + "segmentation fault")
        await running.send(app, [b"2"], "after")
        await recorder.results.wait_for(2)
        assert recorder.results.twice() == []


async def test_replicas_hear_of_what_an_item_did_to_their_sibling(running: Cluster, tmp_path: Path) -> None:
    script = f"def process(item, ctx):\n    if item == {POISON}:\n        os._exit(3)\n    return item\n"
    folder = write(tmp_path / "replicas", script, ", retries: 1, replicas: 2")
    await poison(running, folder, DIED + "it ended itself with status 3")


@pytest.mark.parametrize("work", ["pass", "time.sleep(0.1)"])
async def test_a_worker_at_work_beats(work: str, running: Cluster, tmp_path: Path) -> None:
    """Whatever user code does: it runs apart from what speaks for the worker."""
    begun, done = tmp_path / "begun", tmp_path / "done"
    script = (
        f"import pathlib\ndef process(item, ctx):\n    pathlib.Path({str(begun)!r}).touch()\n"
        f"    while not os.path.exists({str(done)!r}):\n        {work}\n    return item\n"
    )
    async with started(running, write(tmp_path / f"beating{len(work)}", script)) as (app, recorder):
        await running.send(app, [b"1"])
        await until(begun.exists)
        before = len(recorder.own_beats())
        await until(lambda: len(recorder.own_beats()) >= before + 3)
        done.touch()
        await recorder.results.wait_for(1)


@pytest.mark.parametrize("kind", ASYNC_KINDS)
async def test_of_several_items_on_a_loop_the_guilty_one_is_charged(
    kind: str, running: Cluster, tmp_path: Path
) -> None:
    deadly, error = ASYNC_KINDS[kind]
    script = (
        f"async def process(item, ctx):\n    await asyncio.sleep(0.02)\n    if item == {POISON}:\n        {deadly}\n"
        "    await asyncio.sleep(0.02)\n    return item\n"
    )
    folder = write(tmp_path / kind, script, f", timeout_s: {TIMEOUT_S}, retries: 1")
    await poison(running, folder, error)


async def test_a_worker_that_cannot_speak_is_spoken_for(running: Cluster, tmp_path: Path) -> None:
    """Code that keeps the interpreter to itself for longer than the lease is slow, not dead."""
    script = "def process(item, ctx):\n    ctypes.PyDLL(None).sleep(item)\n    return item\n"
    async with started(running, write(tmp_path / "greedy", script)) as (app, recorder):
        before = live(await running.wait_for_edges(app))
        await running.send(app, [b"0", b"6", b"0"])
        await recorder.results.wait_for(3)
        await running.ended(app)
        assert live(await running.wait_for_edges(app)) == before
        assert recorder.results.twice() == []
        assert any(beat.is_spoken_for for beat in recorder.beats)
        assert await letters(running, app) == []


@contextmanager
def memory_limit(limit_bytes: int) -> Iterator[Callable[[int], None]]:
    """A way to hold processes to so much memory, all together."""
    name = f"jupiter-test-{os.getpid()}"
    v1 = Path("/sys/fs/cgroup/memory", name)
    v2 = Path("/sys/fs/cgroup", name)
    folder, setting = (v1, "memory.limit_in_bytes") if v1.parent.is_dir() else (v2, "memory.max")
    try:
        folder.mkdir(exist_ok=True)
        (folder / setting).write_text(str(limit_bytes))
    except OSError as error:
        pytest.skip(f"no memory controller for us: {error}")
    try:
        yield lambda pid: (folder / "cgroup.procs").write_text(str(pid)) and None
    finally:
        for _ in range(50):
            try:
                folder.rmdir()
                break
            except OSError:  # somebody is still on the way out
                time.sleep(0.02)


@pytest.mark.cgroups
async def test_an_item_that_takes_all_the_memory_is_charged(running: Cluster, tmp_path: Path) -> None:
    """The kernel's own killing; every other SIGKILL is nobody's fault."""
    script = (
        f"hog = []\ndef process(item, ctx):\n    while item == {POISON}:\n"
        "        hog.append(bytearray(b'x' * (1 << 20)))\n    return item\n"
    )
    with memory_limit(150 << 20) as hold:

        async def keep_held() -> None:
            while True:
                for pid in worker_processes("work", running.server.url):
                    with suppress(OSError):
                        hold(pid)
                await asyncio.sleep(0.02)

        holding = asyncio.create_task(keep_held())
        try:
            await poison(running, write(tmp_path / "oom", script, ", retries: 1"), "killed: out of memory?")
        finally:
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)


async def test_who_is_killed_by_somebody_is_not_charged(running: Cluster, tmp_path: Path) -> None:
    script = "def process(item, ctx):\n    time.sleep(0.3)\n    return item\n"
    async with started(running, write(tmp_path / "killed", script, ", retries: 0")) as (app, recorder):
        await running.send(app, [b"1", b"2"])
        for _ in range(2):
            await until(lambda: bool(worker_processes("work", running.server.url)))
            await asyncio.sleep(0.15)
            await running.kill("work")
        await recorder.results.wait_for(2)
        await running.ended(app)
        assert await letters(running, app) == []
