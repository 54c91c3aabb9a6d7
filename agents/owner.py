"""Marks on what an agent leaves on the machine (cgroups, scratch folders), so that it can be told whose it is.

A process that is killed cleans nothing up; the next one does, and must not take away what is in use.
"""

from __future__ import annotations

import os
import re
import shutil
from functools import cache
from pathlib import Path

_MARK = re.compile(r"(?P<namespace>\d+)-(?P<pid>\d+)-(?P<started>\d+)")


@cache
def mark() -> str:
    """Of this process: together with the time it started, its number is never used again."""
    return f"{_namespace()}-{os.getpid()}-{_started(os.getpid())}"


def is_gone(text: str) -> bool:
    """Whether the process whose mark is in `text` has ended. Of other containers' processes we cannot know."""
    found = _MARK.search(text)
    return found is not None and found["namespace"] == _namespace() and _started(int(found["pid"])) != found["started"]


def sweep(folder: Path, prefix: str) -> None:
    """Remove the folders there that bear the mark of a process that has ended."""
    for path in sorted(folder.glob(f"{prefix}*")):
        if is_gone(path.name):
            shutil.rmtree(path, ignore_errors=True)


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:  # not on this system
        return "0"


def _started(pid: int) -> str:
    """In the kernel's ticks since boot; 0 when there is no such process, or no such kernel."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return "0"
