"""Turns to use this machine's CPUs for measuring, shared by the agents of all its logical nodes.

Tasks that are timed while others are timed beside them on too few cores would look slower than they are. The
kernel gives a turn back when its holder dies, because a turn is a lock on a file.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import math
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

PER_CORE = 4
"""A node of a quarter of a core takes a quarter of a core's turn."""
PAUSE_S = 0.02


def needed(cores: float) -> int:
    """Turns that one task takes, which runs on one thread of so many cores."""
    return max(1, math.ceil(PER_CORE * min(1.0, cores)))


@contextlib.asynccontextmanager
async def turn(folder: Path, cores: float) -> AsyncIterator[None]:
    """Wait for as much of the machine as a node of `cores` needs to time one task."""
    with contextlib.ExitStack() as files:
        locks = _open(folder, files)
        while not _take(locks, needed(cores)):  # noqa: ASYNC110 - other processes set no event of ours
            await asyncio.sleep(PAUSE_S)
        yield


def _open(folder: Path, files: contextlib.ExitStack) -> list[IO[str]]:
    folder.mkdir(parents=True, exist_ok=True)
    total = PER_CORE * (os.cpu_count() or 1)
    return [files.enter_context((folder / f"turn-{n}.lock").open("a")) for n in range(total)]


def _take(locks: list[IO[str]], count: int) -> bool:
    """All or nothing: two that hold half each would wait for ever."""
    taken: list[IO[str]] = []
    for lock in locks:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken.append(lock)
        if len(taken) == count:
            return True
    for lock in taken:
        fcntl.flock(lock, fcntl.LOCK_UN)
    return False
