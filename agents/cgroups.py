"""A CPU quota for a logical node, so that one machine can stand for several unequal ones.

User code (workers and the profiler's child) runs in the node's cgroup; the agent does not, because a
throttled agent would measure its own throttling as latency. Both versions of cgroups; only directories that
bear our name are touched.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from agents import owner
from runtime import subjects
from runtime.errors import UsageError

PERIOD_US = 10_000
"""Short, so that a task of a few milliseconds meets the quota too instead of fitting into one share."""
LONGEST_PERIOD_US = 1_000_000
SMALLEST_QUOTA_US = 1_000
"""The kernel refuses less."""
MEMBERS = "cgroup.procs"
EMPTYING_TRIES = 20
EMPTYING_PAUSE_S = 0.01

_MOUNT = re.compile(r"^\S+ \S+ \S+ (?P<root>\S+) (?P<at>\S+) .* - (?P<kind>cgroup2?) \S+ (?P<options>\S+)$")


class Quota(NamedTuple):
    """So many cores, given anew every `period_s` seconds."""

    cores: float
    period_s: float


def quota_of(quota_cores: float) -> Quota:
    """What the cgroup of a node with so many cores is given; raises UsageError on what the kernel cannot do."""
    return Quota(quota_cores, bandwidth_us(quota_cores)[1] / 1e6)


def bandwidth_us(quota_cores: float) -> tuple[int, int]:
    """Quota and period in microseconds for so many cores; raises UsageError on what the kernel cannot do."""
    least = SMALLEST_QUOTA_US / LONGEST_PERIOD_US
    if not least <= quota_cores <= 4096:
        raise UsageError(f"a quota of {quota_cores:g} CPUs: choose between {least:g} and what the machine has")
    period_us = max(PERIOD_US, round(SMALLEST_QUOTA_US / quota_cores))
    return max(SMALLEST_QUOTA_US, round(quota_cores * period_us)), period_us


class Cgroup:
    """One node's cgroup, there while in `with`; processes join by `before_exec` or are put there by `add`."""

    def __init__(self, node: str, quota_cores: float, parents: tuple[Path, ...] | None = None) -> None:
        """`parents` are the directories to try, nearest first (found when None)."""
        self._quota_us, self._period_us = bandwidth_us(quota_cores)
        self._name = f"jupiter-{owner.mark()}-{subjects.node_token(node)[:100]}"
        self._parents = parents
        self._path: Path | None = None

    @property
    def path(self) -> Path:
        if self._path is None:
            raise RuntimeError("the cgroup is open only inside `with`")
        return self._path

    @property
    def before_exec(self) -> Callable[[], None]:
        """For a child between fork and exec: puts itself into the cgroup."""
        members = os.fspath(self.path / MEMBERS)

        def join() -> None:
            descriptor = os.open(members, os.O_WRONLY)
            os.write(descriptor, b"0")
            os.close(descriptor)

        return join

    def add(self, pid: int) -> None:
        """Put a process that already runs into the cgroup."""
        (self.path / MEMBERS).write_text(str(pid))

    def __enter__(self) -> Self:
        parents = self._parents if self._parents is not None else tuple(cpu_parents())
        reasons = [reason for parent in parents if (reason := self._try(parent))]
        if self._path is None:
            why = reasons[0] if reasons else "no cgroup with a cpu controller is mounted"
            raise UsageError(
                f"this machine does not allow a CPU quota per node ({why}): leave the quota out, or run as "
                "root or in a container that owns its cgroup"
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._path is not None:
            _empty(self._path)
            _remove(self._path)
            self._path = None

    def _try(self, parent: Path) -> str:
        """Make the cgroup below `parent`; returns why not, or nothing."""
        if self._path is not None:
            return ""
        path = parent / self._name
        try:
            _sweep(parent)
            path.mkdir(exist_ok=True)
            self._limit(path)
        except OSError as error:
            _remove(path)
            return f"{error.strerror}: {error.filename}"
        self._path = path
        return ""

    def _limit(self, path: Path) -> None:
        if (path / "cpu.cfs_quota_us").exists():
            (path / "cpu.cfs_period_us").write_text(str(self._period_us))
            (path / "cpu.cfs_quota_us").write_text(str(self._quota_us))
            return
        if not (path / "cpu.max").exists():
            # Version 2: a parent hands the controller down only once it was told to.
            (path.parent / "cgroup.subtree_control").write_text("+cpu")
        (path / "cpu.max").write_text(f"{self._quota_us} {self._period_us}")


def cpu_parents(proc: Path = Path("/proc/self")) -> Iterator[Path]:
    """Directories a cgroup with a cpu controller could be made in: our own cgroup, then those above it.

    In version 2 our own holds processes and therefore cannot hand controllers down; one above it can.
    """
    own = dict(_memberships(proc))
    for line in (proc / "mountinfo").read_text().splitlines():
        mount = _MOUNT.match(line)
        if mount is None:
            continue
        key = "cpu" if "cpu" in mount["options"].split(",") else "" if mount["kind"] == "cgroup2" else None
        if key is None or key not in own or (key == "" and not _has_cpu(Path(mount["at"]))):
            continue
        top = Path(mount["at"])
        inside = os.path.relpath(own[key], mount["root"])
        here = top if inside.startswith("..") else top / inside
        yield from (path for path in (here, *here.parents) if path.is_relative_to(top) and path.is_dir())


def own_quota(proc: Path = Path("/proc/self")) -> Quota | None:
    """What this process's own cgroups leave it (a container's limit), None without a limit."""
    try:
        found = [limit for parent in cpu_parents(proc) if (limit := _limit(parent))]
    except OSError:
        return None
    return min(found, default=None)


def _limit(path: Path) -> Quota | None:
    with contextlib.suppress(OSError, ValueError):
        if (path / "cpu.max").exists():
            quota, period = (path / "cpu.max").read_text().split()
        else:
            quota = (path / "cpu.cfs_quota_us").read_text()
            period = (path / "cpu.cfs_period_us").read_text()
        if float(quota) > 0:
            return Quota(float(quota) / float(period), float(period) / 1e6)
    return None


def _memberships(proc: Path) -> Iterator[tuple[str, str]]:
    """(controller, path); version 2 is the controller ''."""
    for line in (proc / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


def _has_cpu(top: Path) -> bool:
    with contextlib.suppress(OSError):
        return "cpu" in (top / "cgroup.controllers").read_text().split()
    return False


def _sweep(parent: Path) -> None:
    """Remove what agents of ours that were killed left behind."""
    for path in sorted(parent.glob("jupiter-*")):
        if owner.is_gone(path.name):
            _remove(path)


def _empty(path: Path) -> None:
    """End what still runs there: processes that user code started and that left their session."""
    for _ in range(EMPTYING_TRIES):
        # A process of another namespace reads as 0, which to kill(2) would be all of us.
        members = [int(pid) for pid in (path / MEMBERS).read_text().split() if pid != "0"]
        if not members:
            return
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(EMPTYING_PAUSE_S)


def _remove(path: Path) -> None:
    # Still busy means that a process in it is not yet reaped: the next agent's sweep takes it.
    with contextlib.suppress(OSError):
        path.rmdir()
