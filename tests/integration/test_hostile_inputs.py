"""Inputs that no producer should write: each ends as a dead letter that says why, and nobody else notices."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from runtime import subjects
from runtime.app import App
from runtime.message import encode_publish
from tests.integration.cluster import REPOSITORY, Cluster, Results, cluster

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLE = REPOSITORY / "app_specific_files" / "example"
OTHERS = 50


def block(*lines: bytes) -> bytes:
    return b"NATS/1.0\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


REFUSED = {
    "a line feed in a header": (b"one two", block(b"A: b\nc"), "home", "holds a line break"),
    "a carriage return in a header": (b"one two", block(b"A: b\rc"), "home", "holds a line break"),
    "more headers than travel": (b"one two", block(*(b"X-%d: a" % i for i in range(5000))), "home", "5000 headers"),
    "larger headers than travel": (b"one two", block(b"A: " + b"b" * 40_000), "home", "bytes of headers"),
    "an object that is not there": (b"", block(b"Jupiter-Object: nothing"), "home", "names the object nothing"),
    "an object with a long name": (b"", block(b"Jupiter-Object: " + b"a" * 9000), "home", "names the object aaa"),
}
TAKEN = {
    "a reference that nobody wrote": block(b"Jupiter-Object-Size: 7", b"Jupiter-Object-SHA256: x"),
    "a header without a name": block(b": a"),
    "a header that is no text": block(b"A: \xff\xfe\x00"),
    "headers that mean something to the server": block(b"nats-expected-last-sequence: 7", b"Jupiter-Input: x"),
    "an odd id": block("Nats-Msg-Id: é*>. x".encode()),
    "a long id": block(b"Nats-Msg-Id: " + b"a" * 20_000),
    "an id that is no text": block(b"Nats-Msg-Id: \xff\xfe"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Cluster]:
    async with cluster(("home",)) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def example(running: Cluster) -> App:
    app = await running.submit(EXAMPLE)
    await running.map(app, dict.fromkeys(app.graph.tasks, "home"))
    return app


async def among_others(running: Cluster, app: App, name: str, payload: bytes, headers: bytes, results: int) -> None:
    """Send it as the bytes it is, with other inputs around; wait for so many results, and until all has ended."""
    found = Results()
    listening = await running.bus.subscribe(subjects.egress(app.name), found.take)
    lines = [f"{name} {number}".encode() for number in range(OTHERS)]
    await running.send(app, lines[: OTHERS // 2], f"{name} before")
    running.bus.link.write(encode_publish(subjects.ingress(app.name), payload, headers))
    await running.send(app, lines[OTHERS // 2 :], f"{name} after")
    await found.wait_for(results)
    await running.ended(app)
    await listening.unsubscribe()
    assert found.count == results
    assert found.twice() == []


@pytest.mark.parametrize("name", REFUSED)
async def test_what_cannot_travel_is_a_dead_letter(running: Cluster, example: App, name: str) -> None:
    payload, headers, task, words = REFUSED[name]
    stream = subjects.dead_stream(example.name)
    before = await running.bus.stream_state(stream)
    assert before is not None
    await among_others(running, example, name, payload, headers, OTHERS)
    letters = await running.bus.read_stream(stream, subjects.dead(example.name), before.last_sequence + 1)
    (letter,) = [json.loads(each.payload) for each in letters]
    assert letter["task"] == task
    assert words in letter["error"]
    assert running.deaths.total() == 0


@pytest.mark.parametrize("name", TAKEN)
async def test_what_is_only_odd_is_an_input_like_others(running: Cluster, example: App, name: str) -> None:
    await among_others(running, example, name, b"one two", TAKEN[name], OTHERS + 1)
    assert running.deaths.total() == 0
