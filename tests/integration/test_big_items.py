"""Items far above what a server takes in one message, on one that takes 1 MB: through a diamond, under kills."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from deploy import dead, tailing
from deploy.progress import progress
from deploy.sending import send_all
from runtime import app_config, object_files, subjects
from runtime.app import App
from runtime.jetstream import bucket_stream
from runtime.message import Message
from runtime.reference import OBJECT_HEADER, Reference, from_headers
from tests.integration.cluster import ENVIRONMENT, REPOSITORY, Cluster, cluster, patched, worker_processes
from tests.integration.secrecy import Keys
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

BIG = REPOSITORY / "tests" / "benchmarks" / "big"
MEBI = 1 << 20


class Heard:
    """Results by id: the payload, or the reference, and how often each came."""

    def __init__(self) -> None:
        self.results: dict[str, list[bytes | Reference]] = {}

    def take(self, message: Message) -> None:
        item_id = message.subject.split(".", 4)[4]
        self.results.setdefault(item_id, []).append(from_headers(message.headers) or message.payload)

    @property
    def references(self) -> list[Reference]:
        return [found[0] for found in self.results.values() if isinstance(found[0], Reference)]

    async def wait_for(self, count: int) -> None:
        await until(lambda: len(self.results) >= count)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    # With keys: nobody needs more of the server than `runtime.permissions` says.
    keys = Keys(tmp_path_factory.mktemp("keys"), ("big", "camera", "parted", "picky"), ("home", "node1"))
    with pytest.MonkeyPatch.context() as patches:
        for name, value in patched("quick_sweep").items():
            patches.setitem(ENVIRONMENT, name, value)
        async with cluster(("home", "node1"), secrecy=keys, max_payload_bytes=MEBI) as started:
            yield started


PICKY = """
import os
from pathlib import Path


def process(item, ctx):
    if not os.path.exists({flag!r}):
        raise ValueError("not yet")
    copy = ctx.scratch / "out"
    copy.write_bytes(item.read_bytes())
    yield copy
    yield b"small"
"""


PARTED = """
import os
import time


def process(item, ctx):
    while not os.path.exists({flag!r}):
        time.sleep(0.05)
    return item
"""


@dataclass
class Held:
    """An application whose one input gets no further; it does once the flag is there."""

    app: App
    flag: Path
    digest: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def picky(running: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Held:
    folder = tmp_path_factory.mktemp("apps") / "picky"
    flag, source = folder.parent / "flag", folder.parent / "source"
    folder.mkdir()
    (folder / "app_config.yaml").write_text(
        "application:\n  codec: bytes\n  input: whole\n  tasks:\n    home: {children: [look]}\n    dag_tasks:\n"
        "      - {name: look, base_script: look.py, children: [home], retries: 0}\n"
    )
    (folder / "look.py").write_text(PICKY.format(flag=str(flag)))
    app = await running.submit(folder)
    await running.map(app, {"look": "home"})
    source.write_bytes(os.urandom(12 * MEBI))
    assert await send_all(running.bus, app.name, str(source), asyncio.Event(), progress()) == 1
    await until(lambda: dead.letters(running.bus, app.name))
    return Held(app, flag, hashlib.sha256(source.read_bytes()).hexdigest())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def parted(running: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Held:
    """The item lies in the queue before the second task, and its input has ended."""
    folder = tmp_path_factory.mktemp("apps") / "parted"
    flag, payload = folder.parent / "flag", os.urandom(3 * MEBI)
    folder.mkdir()
    (folder / "app_config.yaml").write_text(
        "application:\n  codec: bytes\n  input: whole\n  tasks:\n    home: {children: [first]}\n    dag_tasks:\n"
        "      - {name: first, base_script: first.py, children: [second]}\n"
        "      - {name: second, base_script: second.py, children: [home], edge: queued}\n"
    )
    (folder / "first.py").write_text("def process(item, ctx):\n    return item[::-1]\n")
    (folder / "second.py").write_text(PARTED.format(flag=str(flag)))
    app = await running.submit(folder)
    await running.map(app, {"first": "home", "second": "node1"})
    await send_big(running, app, "held", payload)
    await until(lambda: holds(running, subjects.queue_stream(app.name, "second")))
    return Held(app, flag, hashlib.sha256(payload[::-1]).hexdigest())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(running: Cluster) -> App:
    app = await running.submit(BIG)
    await running.map(app, {"split": "home", "left": "node1", "right": "home", "merge": "node1"})
    return app


async def listening(running: Cluster, app: App) -> Heard:
    heard = Heard()
    await running.bus.subscribe(subjects.egress(app.name), heard.take)
    return heard


async def send_big(running: Cluster, app: App, name: str, payload: bytes) -> str:
    """As any client would: the object first, then an input that names it."""
    bucket = subjects.objects(app.name)
    reference = await object_files.write(running.bus, bucket, io.BytesIO(payload), lambda _: name)
    await running.bus.store(subjects.ingress(app.name), b"", {OBJECT_HEADER: name})
    return reference.sha256


async def read_back(running: Cluster, app: App, reference: Reference) -> str:
    target = io.BytesIO()
    await object_files.read(running.bus, subjects.objects(app.name), reference, target)
    return hashlib.sha256(target.getvalue()).hexdigest()


async def holds(running: Cluster, stream: str, size_bytes: int = 1) -> bool:
    state = await running.bus.stream_state(stream)
    return state is not None and state.messages > 0 and state.bytes >= size_bytes


async def until_empty(running: Cluster, app: App) -> None:
    """Nothing is left in the store once the results have gone."""

    async def is_empty() -> bool:
        await running.bus.purge(subjects.egress_stream(app.name))  # again: a later attempt may still have given one
        return not await holds(running, bucket_stream(subjects.objects(app.name)))

    await until(is_empty)


def sha256_of_one_file(folder: Path) -> str:
    (path,) = folder.iterdir()
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def test_a_big_item_goes_through_a_diamond_while_a_worker_is_killed(
    running: Cluster, picky: Held, parted: Held, app: App, tmp_path: Path
) -> None:
    heard = await listening(running, app)
    payload = os.urandom(40 * MEBI)
    digest = await send_big(running, app, "first", payload)
    bucket = bucket_stream(subjects.objects(app.name))
    before = await running.bus.stream_state(bucket)
    assert before is not None
    # The output of a branch is on its way into the store.
    await until(lambda: holds(running, bucket, before.bytes + 45 * MEBI))
    (killed,) = worker_processes("left", running.server.url)
    os.kill(killed, 9)
    lines = [f"small {number}".encode() for number in range(200)]
    await running.send(app, lines)
    await heard.wait_for(201)
    (reference,) = heard.references
    assert reference.sha256 == digest
    assert await read_back(running, app, reference) == digest
    assert [found for found in heard.results.values() if len(found) > 1] == []
    await tailing.results(running.bus, app, 201, lambda: None, from_start=True, files=tmp_path)
    assert sha256_of_one_file(tmp_path) == digest
    letters = await running.bus.read_stream(subjects.dead_stream(app.name), subjects.dead(app.name))
    assert [json.loads(each.payload)["error"] for each in letters] == []
    await until_empty(running, app)


async def test_a_big_input_that_fails_stays_with_its_letter_and_enters_again(
    running: Cluster, picky: Held, app: App
) -> None:
    # The test above has waited until what no letter names was gone.
    (letter,) = await dead.letters(running.bus, picky.app.name)
    assert letter["error"] == "ValueError: not yet"
    assert letter["input"]["size_bytes"] == 12 * MEBI
    assert await running.bus.object_names(subjects.objects(picky.app.name)) == [letter["input"]["object"]]
    picky.flag.touch()
    heard = await listening(running, picky.app)
    done = await dead.replay(running.bus, picky.app)
    assert (done.sent, done.kept) == (1, 0)
    await heard.wait_for(2)
    (reference,) = heard.references
    assert reference.sha256 == picky.digest
    assert b"small" in [found[0] for found in heard.results.values()]
    await running.kill("gateway")  # whoever comes next finds on the bus what there is to remove
    await until_empty(running, picky.app)


async def test_a_source_may_give_files(running: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "camera"
    folder.mkdir()
    (folder / "app_config.yaml").write_text(
        "application:\n  codec: bytes\n  limits: {file_bytes: 2MiB}\n  tasks:\n    home: {children: []}\n"
        "    dag_tasks:\n      - {name: size, base_script: size.py, children: [home]}\n"
        "    nondag_tasks:\n      - {name: shoot, base_script: shoot.py, k8s_host: home, children: [size]}\n"
    )
    (folder / "shoot.py").write_text(
        "def run(ctx):\n    film = ctx.scratch / 'film'\n    film.write_bytes(bytes(3_000_000))\n    yield film\n"
        "    yield b'still'\n"
    )
    (folder / "size.py").write_text(
        "def process(item, ctx):\n    size = len(item) if isinstance(item, bytes) else item.stat().st_size\n"
        "    return str(size).encode()\n"
    )
    camera = app_config.load_app(folder)
    heard = await listening(running, camera)
    camera = await running.submit(folder)
    await running.map(camera, {"size": "node1"})
    await heard.wait_for(2)
    assert sorted(str(found[0]) for found in heard.results.values()) == ["b'3000000'", "b'5'"]


async def test_an_item_in_a_queue_keeps_its_object_when_its_input_has_ended(running: Cluster, parted: Held) -> None:
    # Longer than what nobody names is kept: the first test has waited for that.
    (name,) = await running.bus.object_names(subjects.objects(parted.app.name))
    assert name.startswith("item/home/1/first/")
    heard = await listening(running, parted.app)
    parted.flag.touch()
    await heard.wait_for(1)
    (reference,) = heard.references
    assert reference.sha256 == parted.digest
    assert reference.name.startswith("item/second/1/second/")
