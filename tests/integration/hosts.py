"""A Jupiter in hosts mode for tests: components and an agent on `home`, an agent on every other machine."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from runtime import codec, subjects
from runtime.app import App
from runtime.bus import Bus, connect
from runtime.mapping import TaskMapping
from runtime.message import Record
from runtime.records import EdgeRecord
from runtime.server import EmbeddedServer
from tests.integration.cluster import REPOSITORY, Cluster, Results, Secrecy, live
from tests.integration.netns import Lab, Machine
from tests.waiting import DEADLINE_S

EXAMPLE = REPOSITORY / "app_specific_files" / "example"
BATCH = 25


class Site(Cluster):
    """Jupiter's components on `home`, and an agent on every machine."""

    def __init__(self, lab: Lab, server: EmbeddedServer, bus: Bus) -> None:
        super().__init__(server, bus, Path(), Secrecy())
        self.lab = lab
        self.machines: dict[str, Machine] = {}

    async def run(self, machine: Machine, name: str, *argv: str) -> None:
        self.processes[name] = await machine.start(*argv, "--server", self.server.url, "--incarnation", f"{name}-1")

    async def join(self, name: str) -> None:
        """One more machine."""
        self.machines[name] = self.lab.machine(name)
        await self.run(self.machines[name], f"agent-{name}", "agents", "--node", name)

    async def leave(self, name: str) -> int:
        """A machine's agent is asked to end; its exit status."""
        return await self.machines[name].stop(self.processes[f"agent-{name}"], DEADLINE_S)

    async def power_off(self) -> None:
        """Every machine at once."""
        for machine in self.machines.values():
            machine.power_off()
        await asyncio.gather(*(process.wait() for process in self.processes.values()))

    async def mapping(self, app: App, after: int = 0) -> tuple[TaskMapping, int]:
        """The mapping in force, once there is one that is newer, and its epoch."""
        found: asyncio.Future[tuple[TaskMapping, int]] = asyncio.get_running_loop().create_future()

        def take(record: Record) -> None:
            if record.payload and record.sequence > after and not found.done():
                found.set_result((TaskMapping.from_record(codec.decode_record(record.payload)), record.sequence))

        async with (
            asyncio.timeout(DEADLINE_S),
            self.bus.follow(subjects.CONTROL_STREAM, subjects.mapping(app.name), take),
        ):
            return await found

    @contextlib.asynccontextmanager
    async def load(self, app: App, name: str, per_s: float = 1000.0) -> AsyncIterator[Results]:
        """Lines stream in while inside; each has come out on leaving, once."""
        results, ending = Results(), asyncio.Event()
        listening = await self.bus.subscribe(subjects.egress(app.name), results.take)

        async def feed() -> int:
            sent = 0
            while not ending.is_set():
                lines = [f"line {sent + n} of {name}".encode() for n in range(BATCH)]
                await self.send(app, lines, f"{name} {sent}")
                sent += BATCH
                await asyncio.sleep(BATCH / per_s)
            return sent

        feeding = asyncio.create_task(feed())
        await results.wait_for(BATCH)
        yield results
        await results.wait_for(results.count + 4 * BATCH)
        ending.set()
        sent = await feeding
        await results.wait_for(sent)
        await self.ended(app)
        await listening.unsubscribe()
        assert results.twice() == []
        assert results.count == sent


@contextlib.asynccontextmanager
async def site(logs: Path, *names: str, expected: int | None = None) -> AsyncIterator[Site]:
    """`home` with everything central, and other machines; the test itself is on home's network."""
    with Lab(logs) as lab:
        home = lab.machine("home")
        with home.entered():
            async with EmbeddedServer(host=home.address) as server, connect(server.url, name="test") as bus:
                running = Site(lab, server, bus)
                running.machines["home"] = home
                await running.run(home, "dispatcher", "circe", "dispatcher")
                await running.run(home, "gateway", "circe", "gateway")
                await running.run(home, "mapper", "mapper", "--expect-nodes", str(expected or len(names) + 1))
                await running.run(home, "agent-home", "agents", "--node", "home")
                try:
                    for name in names:
                        await running.join(name)
                    yield running
                finally:
                    await running.power_off()
        said = {name: lab.log_of(name) for name in running.machines}
    assert [name for name, text in said.items() if "Traceback" in text] == []


def variant(folder: Path, before: str = "", **scripts: str) -> Path:
    """The example with lines put before its configuration and its scripts."""
    shutil.copytree(EXAMPLE, folder)
    for path, lines in ((folder / "app_config.yaml", before), *((folder / f"{n}.py", t) for n, t in scripts.items())):
        path.write_text(lines + path.read_text())
    return folder


def nodes_of(edges: EdgeRecord) -> dict[str, str]:
    return {task: edges.nodes[name] for task, name in live(edges)}
