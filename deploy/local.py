"""A whole Jupiter on this machine: an embedded nats-server and every component as a process of its own.

The components share nothing but NATS. Each is started again when it dies, and all of them, and the server, die
with this process, however it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from agents import owner
from circe.layout import system_streams
from deploy.nodes import LocalNode
from deploy.submit import find_apps
from deploy.supervisor import FIRST_PAUSE_S, HEALTHY_S, Component, Supervisor
from runtime import codec, subjects
from runtime.bus import Bus, connect
from runtime.errors import TransportError
from runtime.network import HOME
from runtime.records import GONE, Beat
from runtime.server import LOOPBACK, EmbeddedServer
from runtime.service import Service

logger = logging.getLogger(__name__)

STOP_GRACE_S = 5.0
"""What the components may take to leave; who has nothing in flight needs a fraction of it."""
HURRY_GRACE_S = 0.3
LONGEST_SERVER_PAUSE_S = 1.0
"""Nothing goes on without it."""
PREFIX = "jupiter-run-"
GATEWAY, AGENT = "gateway", "agent"


def _direct(component: str, url: str) -> str:
    return url


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPlan:
    """What to start."""

    nodes: tuple[LocalNode, ...]
    port: int | None = None
    """Of the server; None for one that is free."""
    host: str = LOOPBACK
    """The address it listens on."""
    has_mapper: bool = True
    store: Path | None = None
    """Where the server keeps its store and its log after the end; None for a store that goes with the run."""
    max_store_bytes: int | None = None
    """What the server may store; None for what the disk has."""
    url_for: Callable[[str, str], str] = _direct
    """From a component's name and the server's address to the address it is given: a proxy's, perhaps."""


class LocalJupiter:
    """What runs, for whoever uses it."""

    def __init__(self, bus: Bus, server: EmbeddedServer, supervisor: Supervisor) -> None:
        self.bus = bus
        self.server = server
        self.supervisor = supervisor
        self.grace_s = STOP_GRACE_S
        """What the components get when it ends."""


@contextlib.asynccontextmanager
async def local_jupiter(service: Service, plan: LocalPlan, say: Callable[[str], None]) -> AsyncIterator[LocalJupiter]:
    """Started on entry, gone on exit: no process, no port and no file stays. `say` takes what components print."""
    owner.sweep(Path(tempfile.gettempdir()), PREFIX)  # of launchers that were killed
    cache = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{owner.mark()}-"))
    try:
        async with (
            EmbeddedServer(plan.store, plan.port, host=plan.host, max_store_bytes=plan.max_store_bytes) as server,
            connect(server.url, name="launcher") as bus,
        ):
            supervisor = Supervisor(service, _Obituaries(bus).on_gone, say)
            local = LocalJupiter(bus, server, supervisor)
            ending = asyncio.Event()
            service.start("nats-server", _keep_server(server, ending, say), may_finish=True)
            try:
                for component in components(plan, server.url, cache):
                    supervisor.keep(component)
                # The dispatcher makes them too; who is first saves everybody a retry.
                await asyncio.gather(*(bus.ensure_stream(spec) for spec in system_streams()))
                yield local
            finally:
                ending.set()
                await supervisor.stop(local.grace_s)
    finally:
        shutil.rmtree(cache, ignore_errors=True)


async def _keep_server(server: EmbeddedServer, ending: asyncio.Event, say: Callable[[str], None]) -> None:
    """Start the server again, on its port and store, when it dies: everybody reconnects and nothing is lost."""
    loop = asyncio.get_running_loop()
    pause_s = FIRST_PAUSE_S
    while True:
        started_s = loop.time()
        status = await server.wait()
        if ending.is_set():
            return
        say(f"nats-server ended with status {status}; starting it again")
        pause_s = FIRST_PAUSE_S if loop.time() - started_s > HEALTHY_S else min(LONGEST_SERVER_PAUSE_S, 2 * pause_s)
        await asyncio.sleep(pause_s)
        await server.restart()


def components(plan: LocalPlan, url: str, cache: Path) -> list[Component]:
    """What to keep running, in the order of starting: those others wait for come first."""

    def component(name: str, kind: str, node: str, *arguments: str) -> Component:
        server = ("--server", plan.url_for(name, url))
        return Component(name=name, kind=kind, node=node, arguments=(*arguments, *server))

    found = [
        component("dispatcher", "dispatcher", HOME, "circe", "dispatcher"),
        component(GATEWAY, GATEWAY, HOME, "circe", "gateway"),
    ]
    for node in plan.nodes:
        quota = () if node.cpus is None else ("--cpus", f"{node.cpus:g}")
        expected = ("--expect-nodes", str(len(plan.nodes))) if node.name == HOME else ()
        arguments = ("agents", "--node", node.name, "--cache", str(cache), *quota, *expected)
        found.append(component(f"{AGENT} {node.name}", AGENT, node.name, *arguments))
    if plan.has_mapper:
        found.append(component("mapper", "mapper", HOME, "mapper", "--expect-nodes", str(len(plan.nodes))))
    return found


class _Obituaries:
    """Says that the incarnations behind a dead process are gone: their heads need not wait for missing beats."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def on_gone(self, component: Component, incarnation: str) -> None:
        try:
            if component.kind == GATEWAY:
                for app in await find_apps(self._bus):
                    await self._say(Beat(app=app, task=HOME, incarnation=incarnation, node=HOME, state=GONE))
            elif component.kind == AGENT:
                await self._bury_workers(component.node)
        except TransportError as error:
            logger.warning("nobody heard that %s is gone: %s", incarnation, error)

    async def _bury_workers(self, node: str) -> None:
        """An agent's workers die with it."""
        for record in await self._bus.snapshot(subjects.STATUS_STREAM, subjects.status("*", "*", "*")):
            with contextlib.suppress(ValueError, KeyError, TypeError):  # not a beat: somebody else's mistake
                beat = Beat.from_record(codec.decode_record(record.payload or b""))
                is_worker = beat.task not in (HOME, *subjects.DECIDERS) and not beat.incarnation.startswith("profiler-")
                if beat.node == node and is_worker and beat.state != GONE:
                    await self._say(
                        Beat(app=beat.app, task=beat.task, incarnation=beat.incarnation, node=node, state=GONE)
                    )

    async def _say(self, beat: Beat) -> None:
        subject = subjects.status(beat.app, beat.task, beat.incarnation)
        await self._bus.put_record(subject, codec.encode_record(beat.to_record()))
