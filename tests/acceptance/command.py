"""The `jupiter` command as its users run it, and what it left behind."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent, indent

from tests.waiting import DEADLINE_S, until

REPOSITORY = Path(__file__).resolve().parents[2]
JUPITER = Path(sys.executable).with_name("jupiter")
EXAMPLE = REPOSITORY / "app_specific_files" / "example"
MARK = "JUPITER_TEST_MARK"


class Place:
    """Where a test runs its commands: a folder of its own, and a mark that all their processes inherit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = secrets.token_hex(8)
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("JUPITER_")}
        self.environment = {**inherited, MARK: self.mark, "TMPDIR": str(self.temporary), "COLUMNS": "80"}

    def run(
        self, *arguments: str | Path, given: str = "", timeout_s: float = DEADLINE_S
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [JUPITER, *arguments],
            cwd=self.folder,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def processes(self) -> list[str]:
        """Command lines of what still runs of all that was started here."""
        return list(self.running().values())

    def running(self) -> dict[int, str]:
        """The same by process id."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if f"{MARK}={self.mark}".encode() in (entry / "environ").read_bytes():
                        found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:
                    continue  # ended meanwhile, or not ours to read
        return {number: line for number, line in found.items() if line}

    async def nothing_left(self) -> None:
        """Wait until no process is left; fails with their command lines."""
        try:
            await until(lambda: not self.processes())
        except TimeoutError:
            raise AssertionError(f"still running: {self.processes()}") from None

    @asynccontextmanager
    async def started(self, *arguments: str | Path) -> AsyncIterator[Running]:
        """A command that goes on; killed if it still runs at the end."""
        process = await asyncio.create_subprocess_exec(
            JUPITER,
            *arguments,
            cwd=self.folder,
            env=self.environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1 << 22,
        )
        running = Running(process)
        try:
            yield running
        finally:
            if process.returncode is None:
                process.kill()
            await running.ended()


class Running:
    """A command under way. What it says on stderr is kept, so that it never waits for us to read."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[str] = []
        self._news = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.said.append(line.decode().rstrip("\n"))
            self._news.set()
        self._news.set()

    async def says(self, pattern: str) -> re.Match[str]:
        """Wait for a line on stderr."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    for line in self.said:
                        if found := re.search(pattern, line):
                            return found
                    if self._listening.done():
                        raise AssertionError(f"it ended and never said {pattern!r}: {self.said}")
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"it did not say {pattern!r} within {DEADLINE_S:g} s: {self.said}") from None

    async def url(self) -> str:
        """Where its NATS server listens."""
        return (await self.says(r"nats://[0-9.]+:\d+")).group()

    async def line(self) -> str:
        """The next line on stdout."""
        assert self.process.stdout is not None
        return (await asyncio.wait_for(self.process.stdout.readline(), DEADLINE_S)).decode()

    async def write(self, text: str) -> None:
        """To its stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        await self.process.stdin.drain()

    async def ended(self) -> int:
        """Wait for its end; the exit code."""
        assert self.process.stdout is not None and self.process.stdin is not None
        self.process.stdin.close()
        reading = asyncio.ensure_future(self.process.stdout.read())
        status = await asyncio.wait_for(self.process.wait(), DEADLINE_S)
        await asyncio.gather(reading, self._listening)
        return status


def application(folder: Path, tasks: str, *, before: str = "", **scripts: str) -> Path:
    """An application's folder: the lines below `dag_tasks` (the first is line 5), and its scripts by name."""
    folder.mkdir(parents=True)
    body = indent(dedent(tasks).strip("\n"), "      ")
    first = re.search(r"name: (\w+)", tasks)
    assert first is not None
    settings = f"{indent(dedent(before).strip(), '  ')}\n" if before else ""
    head = f"application:\n{settings}  tasks:\n    home: {{children: [{first[1]}]}}\n    dag_tasks:\n"
    (folder / "app_config.yaml").write_text(f"{head}{body}\n")
    for name, source in scripts.items():
        (folder / f"{name}.py").write_text(dedent(source).lstrip("\n"))
    return folder


def listens(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    wanted = f":{port:04X} "
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(wanted in line.split(":", 1)[1][:20] and line.split()[3] == "0A" for line in lines)
