"""The embedded server and the child processes: they start, say why they do not, and never outlive us."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from runtime import children
from runtime.bus import connect
from runtime.errors import TransportError, UsageError
from runtime.server import MEMORY_GOAL, EmbeddedServer
from runtime.streams import StreamSpec
from tests.waiting import DEADLINE_S, until


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def environment(pid: int | None) -> list[str]:
    return Path(f"/proc/{pid}/environ").read_text().split("\0")


async def run_then_kill(script: str) -> int:
    """Run Python code that prints a pid and sleeps; kill -9 it; returns the pid it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(script), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    pid = int(await asyncio.wait_for(process.stdout.readline(), DEADLINE_S))
    assert is_alive(pid)
    process.kill()
    await process.wait()
    return pid


async def test_starts_in_its_own_session_and_removes_its_store() -> None:
    async with EmbeddedServer() as server:
        assert server.pid is not None
        assert os.getpgid(server.pid) == server.pid, "the terminal's Ctrl-C would reach it"
        async with connect(server.url, name="test") as bus:
            assert await bus.flush()
        store = server.store_dir
        assert store.exists()
    assert server.pid is None
    assert not store.exists()


@pytest.mark.parametrize(("wanted", "goal"), [(None, MEMORY_GOAL), ("1GiB", "1GiB")])
async def test_its_memory_has_a_goal_which_the_user_may_set(
    monkeypatch: pytest.MonkeyPatch, wanted: str | None, goal: str
) -> None:
    monkeypatch.delenv("GOMEMLIMIT", raising=False)
    if wanted is not None:
        monkeypatch.setenv("GOMEMLIMIT", wanted)
    async with EmbeddedServer() as server:
        assert f"GOMEMLIMIT={goal}" in environment(server.pid)


async def test_a_taken_port_is_one_sentence_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} .* choose another"):
            async with EmbeddedServer(tmp_path / "store", port):
                pytest.fail("it started")
    assert not (tmp_path / "store").exists()


async def test_a_store_that_was_given_survives_a_crash_and_stays(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path) as server, connect(server.url, name="test") as bus:
        await bus.ensure_stream(StreamSpec(name="kept", subjects=("kept",)))
        await bus.store("kept", b"one")
        port = server.port
        await server.kill()
        await server.restart()
        assert server.port == port
        await bus.store_until("kept", b"two")
    async with EmbeddedServer(tmp_path) as server, connect(server.url, name="test") as bus:
        assert [m.payload for m in await bus.read_stream("kept", "kept")] == [b"one", b"two"]


async def test_two_servers_never_share_a_store(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path):
        with pytest.raises(UsageError, match="used by another server"):
            await EmbeddedServer(tmp_path).__aenter__()


async def test_a_server_that_does_not_start_shows_the_end_of_its_log() -> None:
    with pytest.raises(TransportError, match=r"ended with status 1 while starting(.|\n)*Parse error"):
        await EmbeddedServer(extra_config="nonsense: {").__aenter__()


async def test_no_program_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPITER_NATS_SERVER", "/nowhere/nats-server")
    with pytest.raises(UsageError, match="JUPITER_NATS_SERVER names /nowhere/nats-server"):
        await EmbeddedServer().__aenter__()


async def test_the_server_dies_with_a_parent_that_is_killed() -> None:
    script = """
        import asyncio
        from runtime.server import MEMORY_GOAL, EmbeddedServer
        async def main():
            async with EmbeddedServer() as server:
                print(server.pid, flush=True)
                await asyncio.sleep(60)
        asyncio.run(main())
    """
    pid = await run_then_kill(script)
    await until(lambda: not is_alive(pid))


async def test_the_store_of_a_killed_parent_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    script = """
        import asyncio
        from runtime.server import MEMORY_GOAL, EmbeddedServer
        async def main():
            async with EmbeddedServer() as server:
                print(server.pid, flush=True)
                await asyncio.sleep(60)
        asyncio.run(main())
    """
    pid = await run_then_kill(script)
    await until(lambda: not is_alive(pid))
    assert len(entries(tmp_path)) == 1
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    async with EmbeddedServer() as server, EmbeddedServer() as other:
        assert entries(tmp_path) == sorted([server.store_dir, other.store_dir])
    assert entries(tmp_path) == []


async def test_the_watchdog_does_what_the_kernel_does_elsewhere() -> None:
    script = """
        import subprocess, time
        from runtime import children
        process = subprocess.Popen(["sleep", "60"], start_new_session=True)
        children.watch(process.pid)
        print(process.pid, flush=True)
        time.sleep(60)
    """
    pid = await run_then_kill(script)
    await until(lambda: not is_alive(pid))


async def test_stop_kills_what_ignores_the_signal() -> None:
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True)"
    process = await children.spawn([sys.executable, "-c", script + "; time.sleep(60)"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    assert await children.stop(process, 0.05) == -signal.SIGKILL
    assert await children.stop(process, 0.05) == -signal.SIGKILL, "stopping twice is no error"


async def test_a_cancelled_stop_kills_at_once() -> None:
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True)"
    process = await children.spawn([sys.executable, "-c", script + "; time.sleep(60)"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    stopping = asyncio.create_task(children.stop(process, 60))
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert await process.wait() == -signal.SIGKILL


async def test_before_exec_runs_in_the_child(tmp_path: Path) -> None:
    process = await children.spawn(
        [sys.executable, "-c", "import os; print(os.getcwd())"],
        stdout=subprocess.PIPE,
        before_exec=lambda: os.chdir(tmp_path),
    )
    output, _ = await process.communicate()
    assert output.decode().strip() == str(tmp_path)
