"""An application as if some of its tasks said `edge: queued`, so that one folder serves for both kinds of edges."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import yaml

from deploy.submit import prepare
from runtime.app_config import CONFIG
from runtime.errors import UsageError


@contextlib.contextmanager
def with_queues(folder: Path, names: Collection[str]) -> Iterator[Path]:
    """A copy of the folder, or the folder itself when no task is named."""
    if not names:
        yield folder
        return
    tasks = prepare(folder).app.graph.tasks
    for name in names:
        if name not in tasks:
            raise UsageError(f"there is no task {name!r} to give a queue; the tasks are {', '.join(tasks)}")
    with tempfile.TemporaryDirectory(prefix="jupiter-verify-") as scratch:
        copy = Path(scratch, folder.resolve().name)
        shutil.copytree(folder, copy)
        config = copy / CONFIG
        found: Any = yaml.safe_load(config.read_text(encoding="utf-8"))
        for task in found["application"]["tasks"]["dag_tasks"]:
            if task["name"] in names:
                task["edge"] = "queued"
        config.write_text(yaml.safe_dump(found), encoding="utf-8")
        yield copy
