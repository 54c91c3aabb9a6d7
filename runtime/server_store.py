"""The directory an embedded server keeps its streams in: locked while in use, removed when it was temporary.

nats-server does not lock its store, and two on one directory destroy it. The lock is a kernel lock of the process
that owns the server, so it ends with the process however that ends; what such a process left in the temporary
directory is removed by the next one that looks.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO

from runtime.errors import UsageError

PREFIX = "jupiter-nats-"


class StoreDir:
    """A store, taken."""

    def __init__(self, path: Path, lock: IO[str], *, temporary: bool) -> None:
        self.path = path
        self._lock = lock
        self._temporary = temporary

    def leave(self) -> None:
        """Give it up; a temporary one is gone."""
        if self._temporary:
            shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def take(given: Path | None) -> StoreDir:
    """Take the directory that was given, or a new temporary one."""
    if given is None:
        sweep()
        return _take_temporary()
    path = given.absolute()
    path.mkdir(parents=True, exist_ok=True)
    lock = _lock(path)
    if lock is None:
        raise UsageError(f"the store {path} is used by another server: stop it or choose another")
    return StoreDir(path, lock, temporary=False)


def sweep() -> None:
    """Remove temporary stores whose owner was killed."""
    for path in Path(tempfile.gettempdir()).glob(PREFIX + "*"):
        with contextlib.suppress(OSError):
            if path.stat().st_uid == os.getuid() and (path / "lock").exists():
                lock = _lock(path)
                if lock is not None:
                    shutil.rmtree(path, ignore_errors=True)
                    lock.close()


def _take_temporary() -> StoreDir:
    # It gets the name that `sweep` looks for when it is locked, not before.
    unseen = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
    lock = _lock(unseen)
    assert lock is not None
    path = unseen.with_name(unseen.name[1:])
    unseen.rename(path)
    return StoreDir(path, lock, temporary=True)


def _lock(path: Path) -> IO[str] | None:
    lock = (path / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock
