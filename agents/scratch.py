"""The folder in which an agent's workers keep large items as files; what killed agents left is removed."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from agents import owner

PREFIX = "workers-"


@contextlib.contextmanager
def for_workers(cache: Path) -> Iterator[Path]:
    """A folder of this process's own, made by the first worker that needs it."""
    scratch = cache / "scratch"
    for path in sorted(scratch.glob(f"{PREFIX}*")):
        if owner.is_gone(path.name):
            shutil.rmtree(path, ignore_errors=True)
    own = scratch / f"{PREFIX}{owner.mark()}"
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)
