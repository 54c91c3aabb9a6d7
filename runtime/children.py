"""Child processes that never outlive us, not even when we are killed with SIGKILL.

Every process the project starts on a machine (embedded server, workers, components) is started here. A
child gets its own session, so that the terminal's Ctrl-C reaches only us and we can drain before we stop it.
On Linux the kernel ends the child with its parent; elsewhere a small watchdog process does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
"""prctl(2). The signal comes when the *thread* that forked ends: spawn only from the main thread."""

_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

_WATCHDOG = """
import os, signal, sys
sys.stdin.buffer.read()
try:
    os.killpg(int(sys.argv[1]), signal.SIGKILL)
except OSError:
    pass
"""


def tie_to_parent(parent_pid: int) -> None:
    """Runs in the child between fork and exec: die with the parent, also when it died before we could ask."""
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(1)


async def spawn(
    argv: Sequence[str | os.PathLike[str]],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    stdin: int | IO[bytes] | None = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    pass_fds: Sequence[int] = (),
    before_exec: Callable[[], None] | None = None,
) -> asyncio.subprocess.Process:
    """Start a program that dies with this process. `before_exec` runs in the child, after the fork."""
    parent_pid = os.getpid()

    def prepare() -> None:
        tie_to_parent(parent_pid)
        if before_exec is not None:
            before_exec()

    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=None if env is None else dict(env),
        cwd=cwd,
        start_new_session=True,
        pass_fds=pass_fds,
        preexec_fn=prepare,  # prctl must be called in the child; it takes no lock
    )
    if _LIBC is None:
        watch(process.pid)
    return process


def watch(pid: int) -> subprocess.Popen[bytes]:
    """A process that ends the group of `pid` when we die, for kernels without a parent-death signal."""
    # Its pipe is held open by the returned object for as long as we live; nobody writes to it.
    watchdog = subprocess.Popen(
        [sys.executable, "-S", "-c", _WATCHDOG, str(pid)], stdin=subprocess.PIPE, start_new_session=True
    )
    _WATCHDOGS.append(watchdog)
    return watchdog


_WATCHDOGS: list[subprocess.Popen[bytes]] = []


def send_signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Signal the child alone; one that is already gone is no error."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


def kill(process: asyncio.subprocess.Process) -> None:
    """SIGKILL to the child and to whatever it started in its session."""
    # Once the child was reaped its number may belong to somebody else.
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


async def stop(process: asyncio.subprocess.Process, grace_s: float) -> int:
    """SIGTERM, wait `grace_s`, then SIGKILL; returns the exit status. A cancelled stop kills at once."""
    if process.returncode is not None:
        return process.returncode
    send_signal(process, signal.SIGTERM)
    try:
        async with asyncio.timeout(grace_s):
            return await process.wait()
    except TimeoutError:
        kill(process)
        return await process.wait()
    except asyncio.CancelledError:
        kill(process)
        raise
