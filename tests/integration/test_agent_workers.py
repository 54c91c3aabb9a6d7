"""The executor on a real server: workers as desired, restarted when they die, gone with their agent."""

import asyncio
import contextlib
import itertools
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents.bundles import Bundles
from agents.executor import Executor
from runtime import subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.records import GONE, Beat, DesiredWorker, EdgeRecord
from runtime.server import EmbeddedServer
from tests.integration.agent_kit import (
    CONTROL,
    STATUS,
    agent,
    children_of,
    desire,
    is_alive,
    lay_out,
    send_to,
    submit,
    watch,
    write_app,
)
from tests.waiting import LOOK_S, until

ECHO = "def process(item, ctx):\n    return item"
PATIENT = "import time, signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\ntime.sleep(60)"
STUBBORN = "import time, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)"


@contextlib.asynccontextmanager
async def executor(
    bus: Bus, server: EmbeddedServer, cache: Path, code: str = PATIENT, grace_s: float = 5.0
) -> AsyncIterator[Executor]:
    """An executor whose workers run `code` instead of a worker."""
    ids = (f"{n:08x}" for n in itertools.count(1))
    command = (sys.executable, "-S", "-c", code)
    made = Executor(
        bus,
        server.url,
        Bundles(bus, cache),
        new_id=lambda: next(ids),
        scratch=cache / "scratch",
        grace_s=grace_s,
        command=command,
    )
    running = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await made.drain()


def listing(app: App, *incarnations: str) -> EdgeRecord:
    return EdgeRecord(app=app.name, revision=1, workers={"a": incarnations})


def wanted(app: App, digest: str | None = None, replicas: int = 1) -> DesiredWorker:
    return DesiredWorker(app=app.name, task="a", node="n", digest=digest or app.digest, epoch=7, replicas=replicas)


async def test_new_code_runs_beside_the_old_until_the_senders_switched(
    own_server: EmbeddedServer, own_bus: Bus, tmp_path: Path
) -> None:
    await lay_out(own_bus)
    folder = tmp_path / "app"
    old = await submit(own_bus, folder, write_app(folder, {"a": ECHO}))
    (folder / "a.py").write_text(ECHO + "\n# changed")
    new = await submit(own_bus, folder, old)
    place = (old.name, "a")
    async with (
        executor(own_bus, own_server, tmp_path / "cache") as made,
        watch(own_bus, STATUS, subjects.status(old.name, "a", "*"), Beat.from_record) as beats,
    ):
        made.desire(place, wanted(old))
        await until(lambda: len(children_of(os.getpid())) >= 2)  # the server, and the worker
        made.connect(old.name, listing(old, "a-00000001"))
        made.desire(place, wanted(new))
        await until((tmp_path / "cache" / new.digest).exists)
        await asyncio.sleep(0.3)
        assert not beats
        made.connect(old.name, listing(old, "a-00000002"))
        await until(lambda: "a-00000001" in beats)
        assert beats["a-00000001"].state == GONE
        assert beats["a-00000001"].message == "it ended with status 0"
        assert "a-00000002" not in beats
        made.desire(place, None)
        made.connect(old.name, None)
        await until(lambda: "a-00000002" in beats)


async def test_a_worker_that_does_not_drain_is_killed(own_server: EmbeddedServer, own_bus: Bus, tmp_path: Path) -> None:
    await lay_out(own_bus)
    folder = tmp_path / "app"
    app = await submit(own_bus, folder, write_app(folder, {"a": ECHO}))
    async with (
        watch(own_bus, STATUS, subjects.status(app.name, "a", "*"), Beat.from_record) as beats,
        executor(own_bus, own_server, tmp_path / "cache", STUBBORN, grace_s=0.3) as made,
    ):
        made.desire((app.name, "a"), wanted(app))
        await until(lambda: len(children_of(os.getpid())) >= 2)
        await asyncio.sleep(0.3)
        made.desire((app.name, "a"), None)
        await until(lambda: "a-00000001" in beats)
        assert beats["a-00000001"].message == "it was killed by SIGKILL"


async def test_what_cannot_start_is_tried_again_with_patience_and_said(
    own_server: EmbeddedServer, own_bus: Bus, tmp_path: Path
) -> None:
    await lay_out(own_bus)
    await own_bus.ensure_bucket(subjects.BUNDLES)
    app = App(name="app", graph=write_app(tmp_path / "app", {"a": ECHO}).graph, digest="0" * 64)
    async with (
        watch(own_bus, STATUS, subjects.status(app.name, "a", "*"), Beat.from_record) as beats,
        executor(own_bus, own_server, tmp_path / "cache") as made,
    ):
        made.desire((app.name, "a"), wanted(app))
        began_s = time.monotonic()
        await until(lambda: len(beats) >= 4)
        assert time.monotonic() - began_s > 0.1 + 0.2 + 0.4 - 2 * LOOK_S
        assert "submit the application again" in beats["a-00000001"].message


async def test_a_killed_worker_is_said_to_be_gone_at_once_and_replaced(
    own_server: EmbeddedServer, own_bus: Bus, tmp_path: Path
) -> None:
    await lay_out(own_bus)
    folder = tmp_path / "app"
    app = await submit(own_bus, folder, write_app(folder, {"a": ECHO}))
    await desire(own_bus, app, "a", "n")
    async with (
        watch(own_bus, STATUS, subjects.status(app.name, "a", "*"), Beat.from_record) as beats,
        agent(own_server.url, "n", tmp_path / "cache") as process,
    ):

        def live() -> dict[str, Beat]:
            return {name: beat for name, beat in beats.items() if beat.state == "ready"}

        await until(lambda: len(live()) == 1)
        (first,) = live()
        victim = await until(lambda: worker_pids(process.pid, first))
        os.kill(victim[0], signal.SIGKILL)
        killed_s = time.perf_counter()
        await until(lambda: beats[first].state == GONE)
        said_s = time.perf_counter() - killed_s
        assert not live(), "it is said at once, not when there is another"
        assert beats[first].message == "it was killed by SIGKILL"
        await until(live)
        replaced_s = time.perf_counter() - killed_s
        print(f"gone said after {said_s * 1e3:.0f} ms, replaced after {replaced_s:.2f} s")
        assert first not in live()


def worker_pids(agent_pid: int, incarnation: str) -> list[int]:
    return [pid for pid in children_of(agent_pid) if incarnation in Path(f"/proc/{pid}/cmdline").read_bytes().decode()]


async def test_a_killed_agent_takes_its_workers_with_it_and_its_successor_starts_them_again(
    own_server: EmbeddedServer, own_bus: Bus, tmp_path: Path
) -> None:
    await lay_out(own_bus)
    folder = tmp_path / "app"
    app = await submit(own_bus, folder, write_app(folder, {"a": ECHO, "b": ECHO}))
    for task in ("a", "b"):
        await desire(own_bus, app, task, "n", replicas=2 if task == "b" else 1)
    async with watch(own_bus, STATUS, "jupiter.status.app.*.*", Beat.from_record) as beats:

        def ready() -> set[str]:
            return {name for name, beat in beats.items() if beat.state == "ready"}

        async with agent(own_server.url, "n", tmp_path / "cache") as process:
            await until(lambda: len(ready()) == 3)
            before = ready()
            workers = children_of(process.pid)
            assert len(workers) >= 3
            process.kill()
            await process.wait()
            await until(lambda: not any(is_alive(pid) for pid in workers))
        async with agent(own_server.url, "n", tmp_path / "cache") as process:
            await until(lambda: len(ready() - before) == 3)
            workers = children_of(process.pid)
            stopped_s = time.perf_counter()
        print(f"clean leave in {time.perf_counter() - stopped_s:.2f} s")
        assert not any(is_alive(pid) for pid in workers)
        await until(lambda: not ready() - before)


async def test_the_dispatchers_records_decide(own_server: EmbeddedServer, own_bus: Bus, tmp_path: Path) -> None:
    """A task moved away is stopped only when the edge record has dropped it."""
    await lay_out(own_bus)
    folder = tmp_path / "app"
    app = await submit(own_bus, folder, write_app(folder, {"a": ECHO}))
    await desire(own_bus, app, "a", "n")
    async with (
        watch(own_bus, STATUS, subjects.status(app.name, "a", "*"), Beat.from_record) as beats,
        agent(own_server.url, "n", tmp_path / "cache"),
    ):
        await until(lambda: any(beat.state == "ready" for beat in beats.values()))
        (incarnation,) = [name for name in beats if name.startswith("a-")]
        await send_to(own_bus, app, 1, a=(incarnation,))
        await asyncio.sleep(0.5)  # the records are followed apart, so their order is nobody's promise
        await own_bus.delete_record(CONTROL, subjects.worker("n", app.name, "a"))
        await asyncio.sleep(0.5)
        assert beats[incarnation].state == "ready"
        await send_to(own_bus, app, 2, a=("a-elsewhere",))
        await until(lambda: beats[incarnation].state == GONE)


@pytest.mark.cgroups
async def test_workers_run_in_the_nodes_cgroup_and_nothing_is_left_of_it(
    own_server: EmbeddedServer, own_bus: Bus, tmp_path: Path
) -> None:
    from agents.cgroups import Cgroup
    from runtime.errors import UsageError

    try:
        with Cgroup("test", 1.0) as probe:
            parent = probe.path.parent
    except UsageError as error:
        pytest.skip(str(error))
    await lay_out(own_bus)
    folder = tmp_path / "app"
    app = await submit(own_bus, folder, write_app(folder, {"a": ECHO}))
    await desire(own_bus, app, "a", "quota-n")
    async with watch(own_bus, STATUS, subjects.status(app.name, "a", "*"), Beat.from_record) as beats:
        async with agent(own_server.url, "quota-n", tmp_path / "cache", "--cpus", "0.5") as process:
            await until(lambda: any(beat.state == "ready" for beat in beats.values()))
            (mine,) = parent.glob("jupiter-*-quota-n")
            members = [int(pid) for pid in (mine / "cgroup.procs").read_text().split()]
            assert members and process.pid not in members
            process.kill()
            await process.wait()
        assert mine.exists()
        async with agent(own_server.url, "quota-n", tmp_path / "cache", "--cpus", "0.5"):
            await until(lambda: not mine.exists())
        assert not list(parent.glob("jupiter-*-quota-n"))
