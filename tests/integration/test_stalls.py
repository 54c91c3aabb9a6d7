"""Who was away for so long that others took over says nothing more: whatever it had done would be there twice."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from circe import fence
from circe.fencing import Fencing
from runtime import codec, subjects
from runtime.app import App
from runtime.bus import Bus, connect
from runtime.errors import JupiterError
from runtime.message import Delivery, Message
from runtime.records import Beat
from runtime.server import EmbeddedServer
from runtime.tcp import UNDER_WAY_S
from tests.integration.cluster import ENVIRONMENT, Cluster, Results, cluster, patched, processes, worker_processes
from tests.integration.faulty import Proxy, proxy
from tests.waiting import until

ITEMS, AT_ONCE = 40, 5


def gate(folder: Path) -> Path:
    """As long as this file is not there, most items stay in user code."""
    return folder.with_name("gate")


def write_app(folder: Path) -> Path:
    folder.mkdir()
    (folder / "app_config.yaml").write_text(
        "application:\n  codec: json\n  tasks:\n    home: {children: [slow]}\n"
        "    dag_tasks:\n      - {name: slow, base_script: slow.py, children: [home], replicas: 2}\n"
    )
    (folder / "slow.py").write_text(
        f"import asyncio, pathlib\nasync def process(item, ctx):\n    while item >= {AT_ONCE} and not "
        f"pathlib.Path({str(gate(folder))!r}).exists():\n        await asyncio.sleep(0.01)\n    return item\n"
    )
    return folder


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read results go at once, not after a minute, so that their ids are free again."""
    for name, value in patched("no_keep").items():
        monkeypatch.setitem(ENVIRONMENT, name, value)


async def read_all(running: Cluster, app: App, count: int) -> None:
    """As a reader does: every result is acknowledged, and may go."""
    read = 0

    def take(delivery: Delivery) -> None:
        nonlocal read
        read += 1
        running.bus.acknowledge([delivery.reply])

    pull = await running.bus.pull(subjects.egress_stream(app.name), subjects.RESULTS_CONSUMER, take)
    pull.want(count)
    await until(lambda: read == count)
    await pull.stop()


async def holder(running: Cluster, app: App) -> str:
    """A worker that has items, by its own word; the gateway may have given all to the one that it heard of first."""
    found: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def take(message: Message) -> None:
        beat = Beat.from_record(codec.decode_record(message.payload))
        if beat.holds and not found.done():
            found.set_result(beat.incarnation)

    listening = await running.bus.subscribe(subjects.status(app.name, "slow", "*"), take)
    incarnation = await found
    await listening.unsubscribe()
    return incarnation


async def is_forgotten(running: Cluster, app: App) -> bool:
    state = await running.bus.stream_state(subjects.egress_stream(app.name))
    return state is not None and state.messages == 0


async def test_a_worker_that_wakes_up_after_it_was_replaced_stores_nothing(tmp_path: Path, forgetful: None) -> None:
    async with cluster() as running:
        app = await running.submit(write_app(tmp_path / "slow"))
        await running.map(app, {"slow": "node1"})
        await running.wait_for_edges(app, lambda edges: len(edges.workers["slow"]) == 2)
        results = Results()
        await running.bus.subscribe(subjects.egress(app.name), results.take)
        await running.send(app, [str(number).encode() for number in range(ITEMS)])
        await results.wait_for(AT_ONCE)
        (zombie,) = processes("circe worker", await holder(running, app))
        os.kill(zombie, signal.SIGSTOP)
        await running.wait_for_edges(app, lambda edges: len(edges.workers["slow"]) == 1)
        gate(tmp_path / "slow").touch()
        await results.wait_for(ITEMS)  # by the other
        await read_all(running, app, ITEMS)
        await until(lambda: is_forgotten(running, app))
        os.kill(zombie, signal.SIGCONT)
        await until(lambda: zombie not in worker_processes("slow", running.server.url))
        await asyncio.sleep(0.2)  # for what it may have sent at last
    assert results.twice() == []


async def beating(fencing: Fencing, is_over: Callable[[], bool]) -> None:
    while not is_over():
        fencing.beat()
        await asyncio.sleep(0.05)


async def away_and_back(line: Proxy, near: Bus, fencing: Fencing, seconds: float) -> None:
    """Cut off for so long, and connected again."""
    line.target_port, target_port = 1, line.target_port
    line.cut()
    end_s = asyncio.get_running_loop().time() + seconds
    await until(lambda: not near.link.is_up)
    near.send("said.meanwhile", b"late")
    await beating(fencing, lambda: asyncio.get_running_loop().time() > end_s)
    line.target_port = target_port


async def test_who_was_cut_off_for_too_long_says_nothing_of_what_it_had_to_say(
    server: EmbeddedServer, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fence, "CUT_OFF_S", 1.0)
    heard: list[Message] = []
    await bus.subscribe("said.>", heard.append)
    async with proxy(server.port) as line, connect(line.url, name="near") as near:
        fencing = Fencing(near)
        await away_and_back(line, near, fencing, 1.5)
        with pytest.raises(JupiterError, match="cut off"):
            await beating(fencing, lambda: False)
        near.send("said.after", b"later still")
        await asyncio.sleep(0.3)
    assert await bus.flush()
    assert heard == []


async def test_who_was_cut_off_for_a_while_goes_on(server: EmbeddedServer, bus: Bus) -> None:
    heard: list[Message] = []
    await bus.subscribe("said.>", heard.append)
    async with proxy(server.port) as line, connect(line.url, name="near") as near:
        fencing = Fencing(near)
        await away_and_back(line, near, fencing, 0.3)
        await until(lambda: near.link.is_up)
        await beating(fencing, lambda: bool(heard))
    assert [message.subject for message in heard] == ["said.meanwhile"]


async def test_the_kernel_gives_up_what_is_not_taken(server: EmbeddedServer) -> None:
    async with connect(server.url, name="plug") as near:
        transport = near.link._tcp._ear.transport  # type: ignore[attr-defined] # only the socket knows
        plug = transport.get_extra_info("socket")
        assert plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == UNDER_WAY_S * 1000
