"""A Jupiter for tests: the real components as processes on an embedded server, restarted when they are killed."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from runtime import app_config, bundle, children, codec, credentials, subjects
from runtime.app import App
from runtime.bus import Bus, connect
from runtime.bus_errors import StoreTimeout
from runtime.message import Message, Outgoing, PubAck, Record
from runtime.records import GONE, Beat, EdgeRecord
from runtime.server import EmbeddedServer
from tests.waiting import DEADLINE_S, until

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
SEND_WINDOW = 2000


def patched(patches: str) -> dict[str, str]:
    """What in ENVIRONMENT breaks or hurries the components; see `tests/faults/patches`."""
    return {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY}/tests/faults/patches", "JUPITER_TEST_PATCHES": patches}


class Secrecy:
    """How components are told from strangers: here not at all."""

    server_config = ""

    def environment(self, component: str) -> dict[str, str]:
        """What a component finds in its environment; `test` is the test itself."""
        return {}


class Cluster:
    """Components by name; `kill` takes one away, and it comes back by itself."""

    def __init__(self, server: EmbeddedServer, bus: Bus, cache: Path, secrecy: Secrecy) -> None:
        self.server = server
        self.bus = bus
        self.processes: dict[str, asyncio.subprocess.Process] = {}
        self.deaths: Counter[str] = Counter()
        self._cache = cache
        self._secrecy = secrecy
        self._apps: list[str] = []
        self._group = asyncio.TaskGroup()
        self._closing = False

    def start(self, name: str, *argv: str) -> None:
        """Run a component under supervision."""
        self._group.create_task(self._supervise(name, argv), name=name)

    async def _supervise(self, name: str, argv: Sequence[str]) -> None:
        while not self._closing:
            incarnation = f"{name.replace(' ', '-')}-{secrets.token_hex(4)}"
            arguments = [*argv, "--server", self.server.url, "--incarnation", incarnation]
            process = await children.spawn(
                [sys.executable, "-P", "-m", *arguments], env={**ENVIRONMENT, **self._secrecy.environment(name)}
            )
            self.processes[name] = process
            status = await process.wait()
            if not self._closing:
                self.deaths[f"{name}: {status}"] += 1
                self._say_gone(name, incarnation)

    def _say_gone(self, name: str, incarnation: str) -> None:
        if name != "gateway":
            return
        for app in self._apps:
            gone = Beat(app=app, task="home", incarnation=incarnation, node="home", state=GONE)
            self.bus.publish(subjects.status(app, "home", incarnation), codec.encode_record(gone.to_record()))

    async def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Kill a component, or the worker of a task (found by its incarnation in the edge record)."""
        if name in self.processes:
            self.processes[name].send_signal(number)
            return
        for process_id in worker_processes(name, self.server.url):
            os.kill(process_id, number)

    async def submit(self, folder: Path) -> App:
        """Put an application and its code on the bus."""
        app = app_config.load_app(folder)
        packed = bundle.pack(folder, app)
        app = app.with_digest(packed.digest)
        await self._streams()
        await self.bus.put_object(subjects.BUNDLES, packed.digest, packed.payload)
        self._apps.append(app.name)
        await self.bus.put_record(subjects.app(app.name), codec.encode_record(app.to_record()))
        return app

    async def _streams(self) -> None:
        for stream in (subjects.CONTROL_STREAM, subjects.PROFILE_STREAM, subjects.STATUS_STREAM):
            await until(partial(self.bus.stream_state, stream))

    async def map(self, app: App, mapping: dict[str, str]) -> None:
        """Put a mapping there by hand, and wait until it is in force."""
        await self.bus.put_record(subjects.mapping(app.name), json.dumps(mapping).encode())
        await self.wait_for_edges(
            app, lambda edges: all(edges.nodes.get(name) == mapping[task] for task, name in live(edges))
        )

    async def wait_for_edges(
        self, app: App, condition: Callable[[EdgeRecord], bool] = lambda edges: True
    ) -> EdgeRecord:
        """Until every task has a worker, there is a head, and the condition holds."""
        found: asyncio.Future[EdgeRecord] = asyncio.get_running_loop().create_future()

        def on_record(record: Record) -> None:
            if record.payload is None or found.done():
                return
            edges = EdgeRecord.from_record(codec.decode_record(record.payload))
            complete = edges.digest == app.digest and all(edges.workers.get(task) for task in app.graph.tasks)
            if edges.gateway and complete and condition(edges):
                found.set_result(edges)

        async with (
            asyncio.timeout(DEADLINE_S),
            self.bus.follow(subjects.CONTROL_STREAM, subjects.edges(app.name), on_record),
        ):
            return await found

    async def ended(self, app: App) -> None:
        """Until everything has ended: nothing is open in the ingress or in a queue."""
        await until(partial(self.has_taken_all, app))
        for task in app.graph.queues:
            await until(partial(self._has_read_all, app, task))

    async def has_taken_all(self, app: App) -> bool:
        """Whether the ingress is empty."""
        state = await self.bus.stream_state(subjects.ingress_stream(app.name))
        return state is None or not state.messages

    async def _has_read_all(self, app: App, task: str) -> bool:
        queue = subjects.queue_stream(app.name, task)
        state = await self.bus.consumer_state(queue, subjects.queue_consumer(app.name))
        return state is not None and not state.num_pending + state.num_ack_pending

    async def send(self, app: App, payloads: Sequence[bytes], sender: str = "test") -> None:
        """Store inputs, pipelined; raises when one was not taken."""
        pending: set[asyncio.Task[None]] = set()
        subject = subjects.ingress(app.name)
        for start in range(0, len(payloads), 100):
            batch = [
                Outgoing(subject, payload, {"Nats-Msg-Id": f"{sender} {start + index}"})
                for index, payload in enumerate(payloads[start : start + 100])
            ]
            stores = zip(batch, self.bus.store_many(batch, 30.0), strict=True)
            pending.update(asyncio.create_task(self._taken(message, future)) for message, future in stores)
            while len(pending) > SEND_WINDOW:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for each in done:
                    each.result()
        await asyncio.gather(*pending)

    async def _taken(self, message: Outgoing, future: asyncio.Future[PubAck]) -> None:
        try:
            await future
        except StoreTimeout:  # a connection that was lost: as any producer, with the same id
            await self.bus.store_until(message.subject, message.payload, message.headers, deadline_s=60.0)


class Results:
    """What a plain subscriber sees on the egress."""

    def __init__(self) -> None:
        self.values: dict[str, list[bytes]] = {}
        self.count = 0
        self._waiters: list[tuple[int, asyncio.Event]] = []

    def take(self, message: Message) -> None:
        item_id = message.subject.split(".", 4)[4]
        self.values.setdefault(item_id, []).append(message.payload)
        self.count += 1
        for wanted, event in self._waiters:
            if self.count >= wanted:
                event.set()

    async def wait_for(self, count: int) -> None:
        """Until that many results have come."""
        event = asyncio.Event()
        self._waiters.append((count, event))
        if self.count >= count:
            return
        try:
            async with asyncio.timeout(DEADLINE_S):
                await event.wait()
        except TimeoutError:
            raise AssertionError(f"{self.count} of {count} results after {DEADLINE_S:g} s") from None

    def twice(self) -> list[str]:
        return [item_id for item_id, payloads in self.values.items() if len(payloads) > 1]


def live(edges: EdgeRecord) -> list[tuple[str, str]]:
    """(task, incarnation) of every live worker."""
    return [(task, name) for task, names in edges.workers.items() for name in names]


def processes(*words: str) -> list[int]:
    """Processes of this machine whose command line holds all the words."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if all(word in line for word in words):
                found.append(int(entry.name))
    return found


def worker_processes(task: str, server: str) -> list[int]:
    """The workers of a task, of this server's Jupiter alone."""
    return processes("circe worker", f"--task {task} ", server)


@asynccontextmanager
async def cluster(
    nodes: Sequence[str] = ("home", "node1"),
    mapper: bool = False,
    secrecy: Secrecy | None = None,
    max_payload_bytes: int = 8 << 20,
) -> AsyncIterator[Cluster]:
    """Server, dispatcher, gateway, an agent per node, and the mapper if asked for."""
    secrecy = secrecy or Secrecy()
    async with AsyncExitStack() as stack:
        cache = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jupiter-test-")))
        server = await stack.enter_async_context(
            EmbeddedServer(max_payload_bytes=max_payload_bytes, extra_config=secrecy.server_config)
        )
        own = credentials.given(secrecy.environment("test"))
        bus = await stack.enter_async_context(connect(server.url, name="test", credentials=own))
        running = Cluster(server, bus, cache, secrecy)
        async with running._group:
            running.start("dispatcher", "circe", "dispatcher")
            running.start("gateway", "circe", "gateway")
            if mapper:
                running.start("mapper", "mapper", "--expect-nodes", str(len(nodes)))
            for node in nodes:
                running.start(f"agent {node}", "agents", "--node", node, "--cache", str(cache))
            try:
                yield running
            finally:
                running._closing = True
                stopping = [children.stop(process, 5.0) for process in running.processes.values()]
                await asyncio.gather(*stopping)
