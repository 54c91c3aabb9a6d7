"""Machines that share nothing but a network, made of namespaces, for tests of Jupiter on several hosts.

Each has its own network, processes, host name, monotonic clock and files: a root of its own, in memory, with the
interpreter and our packages bound into it read-only, and nothing else of the checkout. Needs root. Nothing has a name
outside: namespaces live as long as the processes that hold them, which end with the test, also when it is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self

from runtime import children

REPOSITORY = Path(__file__).resolve().parents[2]
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc")
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
PACKAGES = ("runtime", "agents", "mapper", "circe", "deploy")
KINDS = ("--net", "--pid", "--mount", "--uts", "--ipc", "--time")
TOOLS = ("unshare", "nsenter", "mount", "ip", "chroot")
NETWORK = "10.7.0."
CLONE_NEWNET = 0x40000000
CLOCKS_APART_S = 100_000

# The new root is put over /sys: a folder that every Linux has and nothing here needs. $1 is the machine's name.
_FILES = """
name=$1; shift
mount -t tmpfs -o mode=755 machine /sys
cd /sys
mkdir -p proc dev/shm "home/$name"
mkdir -m 1777 tmp
mount -t proc proc proc
for path; do
    mkdir -p ".$(dirname "$path")"
    if [ -L "$path" ]; then
        cp -d "$path" ".$path"
    else
        if [ -d "$path" ]; then mkdir -p ".$path"; else : > ".$path"; fi
        mount --bind "$path" ".$path"
        mount -o remount,bind,ro ".$path"
    fi
done
hostname "$name"
ip link set lo up
echo ready
exec chroot . cat
"""
_SWITCH = "ip link add bridge type bridge && ip link set bridge up && echo ready && exec cat"


@functools.cache
def why_not() -> str:
    """Why there can be no such machines here, in one sentence; empty when there can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need Linux and root"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    with Lab() as lab:
        try:
            with lab.machine("probe").entered():
                return ""
        except (OSError, subprocess.SubprocessError) as error:
            return f"namespaces cannot be made here: {error}"


class Machine:
    """One machine. `pid` is the process that holds its namespaces: it ends when we do, and all the others with it."""

    def __init__(self, name: str, number: int, log: IO[bytes] | None) -> None:
        self.name = name
        self.address = f"{NETWORK}{number}"
        self.port = f"port{number}"
        self._log = log
        clock = ("--monotonic", str(number * CLOCKS_APART_S))
        ending = ("--fork", "--kill-child")
        self._holder = _hold(["unshare", *KINDS, *clock, *ending, "sh", "-euc", _FILES, "sh", name, *_shared()])
        self.pid = children_of(self._holder.pid)[0]

    @property
    def home(self) -> Path:
        """As processes of the machine see it."""
        return Path("/home", self.name)

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        """Run a module of ours there; what comes back stands for it outside and ends as it does."""
        own = {"HOME": str(self.home), "PYTHONPATH": str(REPOSITORY), "JUPITER_LOG": "info"}
        enter = ("nsenter", f"--target={self.pid}", *KINDS, "--root", "--wd=/")
        argv = [*enter, sys.executable, "-P", "-m", *arguments]
        env = {"PATH": os.environ.get("PATH", os.defpath), **own}
        return await children.spawn(argv, env=env, stdout=self._log, stderr=self._log)

    async def stop(self, process: asyncio.subprocess.Process, grace_s: float) -> int:
        """SIGTERM to what `start` started there; its exit status."""
        for pid in children_of(process.pid):
            os.kill(pid, signal.SIGTERM)
        async with asyncio.timeout(grace_s):
            return await process.wait()

    def run(self, *argv: str) -> str:
        """A command in the machine's network, with our files; what it prints."""
        return _run("nsenter", f"--target={self.pid}", "--net", *argv)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Sockets that this thread makes, and processes it starts, are in the machine's network."""
        with Path("/proc/thread-self/ns/net").open() as own, Path(f"/proc/{self.pid}/ns/net").open() as other:
            _set_network(other.fileno())
            try:
                yield
            finally:
                _set_network(own.fileno())

    def power_off(self) -> None:
        """Every process of it ends at once, without a word."""
        _end(self._holder)


class Lab:
    """`with Lab() as lab: lab.machine("node1")`: machines on one switch, that are gone on leaving."""

    def __init__(self, logs: Path | None = None) -> None:
        """`logs` is a folder for what the machines' processes print: a file for each machine."""
        self._logs = logs
        self._cleanup = contextlib.ExitStack()
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    @functools.cached_property
    def _switch(self) -> int:
        holder = _hold(["unshare", "--net", "sh", "-euc", _SWITCH])
        self._cleanup.callback(_end, holder)
        return holder.pid

    def machine(self, name: str) -> Machine:
        """A new machine, connected; it may have the name of one that was powered off."""
        log = self._cleanup.enter_context((self._logs / f"{name}.log").open("ab")) if self._logs else None
        machine = Machine(name, next(self._numbers), log)
        self._cleanup.callback(machine.power_off)
        self._ip("link", "add", machine.port, "type", "veth", "peer", "name", "eth0", "netns", str(machine.pid))
        self._ip("link", "set", machine.port, "master", "bridge")
        machine.run("ip", "address", "add", f"{machine.address}/24", "dev", "eth0")
        machine.run("ip", "link", "set", "eth0", "up")
        self.plug_in(machine)
        return machine

    def plug_in(self, machine: Machine) -> None:
        """Its cable is in (again)."""
        self._ip("link", "set", machine.port, "up")

    def unplug(self, machine: Machine) -> None:
        """Its cable is out: nothing comes, nothing goes, and nobody is told."""
        self._ip("link", "set", machine.port, "down")

    def log_of(self, name: str) -> str:
        """What the processes of a machine printed so far."""
        return (self._logs / f"{name}.log").read_text() if self._logs else ""

    def _ip(self, *arguments: str) -> None:
        _run("nsenter", f"--target={self._switch}", "--net", "ip", *arguments)


def children_of(pid: int) -> list[int]:
    """Processes whose parent is `pid`."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _shared() -> list[str]:
    """What machines have of ours, read-only: system, interpreter, our packages."""
    ours = [str(REPOSITORY / name) for name in PACKAGES]
    interpreter = [sys.base_prefix, sys.prefix]
    wanted = [path for path in (*SYSTEM, *DEVICES, *interpreter, *ours) if os.path.lexists(path)]
    inside = {path for path in wanted for other in wanted if path != other and Path(path).is_relative_to(other)}
    return [path for path in dict.fromkeys(wanted) if path not in inside]


def _hold(argv: list[str]) -> subprocess.Popen[bytes]:
    """A process that says when it is ready, and stays until its standard input is closed: at the latest when we die."""
    holder = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    assert holder.stdout is not None and holder.stderr is not None
    if holder.stdout.readline() != b"ready\n":
        _, said = holder.communicate()
        raise OSError(said.decode().strip())
    return holder


def _end(holder: subprocess.Popen[bytes]) -> None:
    if holder.returncode is None:
        holder.kill()
        holder.communicate()


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def _set_network(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"cannot enter a network namespace: {os.strerror(number)}")
