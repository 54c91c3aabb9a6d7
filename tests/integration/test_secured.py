"""A Jupiter under keys and TLS: all of it works, each with its own user, and the server has nothing to complain of."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio
import trustme

from deploy import dead, status, submit
from deploy.remapping import remap
from runtime import subjects
from runtime.bus import connect
from runtime.credentials import KEY, TLS_CA, TLS_CERT, TLS_KEY, Credentials
from runtime.permissions import User
from runtime.server import EmbeddedServer
from tests.acceptance.command import JUPITER, application
from tests.integration.cluster import Cluster, cluster
from tests.integration.secrecy import Certified, Keys, certificates
from tests.waiting import DEADLINE_S, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

APP = "guarded"
LARGE = 400_000
"""Characters of an item that is too big for a message here."""
TASKS = """
    - {name: first, base_script: first.py, children: [second], input_codec: text}
    - {name: second, base_script: second.py, children: [third], edge: queued}
    - {name: third, base_script: third.py, children: [home], gather: {count: 1, within_s: 1}}
"""
FIRST = """
    def process(item, ctx):
        print("seen", item)
        if item == "bad":
            raise ValueError("bad")
        return "x" * LARGE if item == "large" else item
""".replace(" LARGE", f" {LARGE}")
SECOND = "def process(item, ctx):\n    return len(item)\n"
THIRD = "def process(items, ctx):\n    return items[0]\n"


class Secured:
    """A running one, and commands against it."""

    def __init__(self, running: Cluster, keys: Certified, folder: Path) -> None:
        self.running = running
        self.keys = keys
        self.folder = folder

    def start(self, user: User, *arguments: str | Path, **changes: str) -> asyncio.Future[tuple[int, str, str]]:
        return asyncio.ensure_future(command(self.running.server.url, {**self.keys.of(user), **changes}, *arguments))

    async def operate(self, *arguments: str | Path) -> str:
        """As the operator; must succeed."""
        code, said, complaints = await self.start(User("operator"), *arguments)
        assert code == 0, (arguments, said, complaints)
        return said


async def command(server: str, variables: Mapping[str, str], *arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    process = await asyncio.create_subprocess_exec(
        JUPITER,
        *arguments,
        env={**os.environ, "JUPITER_SERVER": server, **variables},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(DEADLINE_S):
        said, complaints = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode(), complaints.decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def secured(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    keys = Certified(folder / "keys", (APP,), ("home", "node1"))
    async with cluster(("home", "node1"), mapper=True, secrecy=keys) as running:
        yield Secured(running, keys, folder)


async def test_everything_works_and_nothing_is_refused(secured: Secured) -> None:
    app = application(secured.folder / APP, TASKS, before="codec: json", first=FIRST, second=SECOND, third=THIRD)
    (app / "sample_input").mkdir()
    (app / "sample_input" / "lines.txt").write_text("one\ntwo\n")
    lines = secured.folder / "lines.txt"
    lines.write_text("one\nbad\nthree\nlarge\n")
    assert "in place" in await secured.operate("submit", app)
    client = User("client", APP)
    bus = secured.running.bus
    printed: list[str] = []
    await bus.subscribe(subjects.log(APP, "first"), lambda message: printed.append(json.loads(message.payload)["line"]))
    code, said, complaints = await secured.start(client, "send", APP, lines)
    assert (code, said) == (0, f"4 inputs of {APP} acknowledged\n"), complaints
    _, said, complaints = await secured.start(client, "tail", APP, "--from-start", "-n", "3")
    assert sorted(json.loads(line)["value"] for line in said.splitlines()) == [3, 5, LARGE], complaints
    found = await submit.find_app(bus, APP)
    await until(lambda: dead.letters(bus, APP))
    assert (await dead.replay(bus, found)).sent == 1
    await asyncio.gather(status.app_status(bus, found), status.nodes(bus), status.links(bus))
    await asyncio.gather(status.mapping(bus, found), status.executions(bus, found), remap(bus, APP, 20.0))
    (app / "second.py").write_text(SECOND.replace("len(item)", "-len(item)"))
    await secured.operate("submit", app)
    assert {"seen one", "seen bad", "seen three"} <= set(printed)
    await dead.purge(bus, APP)
    await submit.delete(bus, APP, 30.0)
    assert secured.running.deaths.total() == 0
    log = secured.running.server.log_path.read_text()
    assert [line for line in log.splitlines() if "iolation" in line] == []


@pytest.mark.parametrize(
    ("line", "variables", "words"),
    [
        ("mapper", {KEY: "stranger"}, "does not admit us (Authorization Violation)"),
        ("gateway", {TLS_CA: "stranger"}, "is not trusted"),
        ("agent --node home", {TLS_CERT: "", TLS_KEY: ""}, "no TLS with the NATS server"),
    ],
    ids=["a wrong key", "a wrong authority", "no certificate"],
)
async def test_who_is_not_admitted_is_told_at_once(
    secured: Secured, line: str, variables: dict[str, str], words: str
) -> None:
    stranger = secured.folder / "stranger"
    if not stranger.exists():
        strange = Keys(stranger, (), ())
        certificates(stranger / "tls", trustme.CA())
        assert strange.users
    files = {KEY: str(stranger / "operator.nk"), TLS_CA: str(stranger / "tls" / "ca.pem")}
    changes = {name: files[name] if value else "" for name, value in variables.items()}
    code, said, complaints = await secured.start(User("operator"), *line.split(), **changes)
    assert (code, said) == (1, "")
    assert words in complaints and len(complaints.splitlines()) == 1, complaints
    assert "within" not in complaints  # it has not tried until its time was over


async def test_a_server_without_tls_is_not_spoken_to_when_certificates_were_given(secured: Secured) -> None:
    async with EmbeddedServer() as server:
        code, _, complaints = await command(server.url, {TLS_CA: secured.keys.of(User("operator"))[TLS_CA]}, "apps")
        assert code == 1
        assert "offers no TLS" in complaints and len(complaints.splitlines()) == 1


async def test_what_a_key_does_not_allow_is_one_sentence(secured: Secured) -> None:
    code, _, complaints = await secured.start(User("client", APP), "nodes")
    assert code == 1
    assert "may not" in complaints and len(complaints.splitlines()) == 1, complaints


async def test_a_certificate_that_is_there_for_others_is_not_enough(secured: Secured) -> None:
    wrong = ssl.create_default_context()
    with pytest.raises(ConnectionError, match="is not trusted"):
        async with connect(secured.running.server.url, name="test", credentials=Credentials(tls=wrong)):
            pytest.fail("it connected")
