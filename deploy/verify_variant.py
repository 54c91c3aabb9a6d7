"""An application as `jupiter verify` runs it: other edges and failures where asked for, and gathers whose groups have
one item.

One folder serves for both kinds of edges. What comes out of a group depends on who met in it, which is no item's own
affair; a group of one passes the same queue, journal and head, and tells what became of its item.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import yaml

from deploy.submit import prepare
from deploy.verify_failing import failing_script
from runtime.app_config import CONFIG
from runtime.errors import UsageError
from runtime.graph import Task


@contextlib.contextmanager
def variant(folder: Path, queued: Collection[str], failing: Collection[str], flag: Path) -> Iterator[Path]:
    """A copy of the folder, or the folder itself when it is as it should be; `queued` tasks are given a queue, and the
    user code of `failing` ones fails at random while `flag` exists."""
    tasks = prepare(folder).app.graph.tasks
    for name, what in [*((each, "to give a queue") for each in queued), *((each, "to let fail") for each in failing)]:
        if name not in tasks:
            raise UsageError(f"there is no task {name!r} {what}; the tasks are {', '.join(tasks)}")
    if not queued and not failing and not any(map(meets_others, tasks.values())):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="jupiter-verify-") as scratch:
        copy = Path(scratch, folder.resolve().name)
        shutil.copytree(folder, copy)
        config = copy / CONFIG
        found: Any = yaml.safe_load(config.read_text(encoding="utf-8"))
        for task in found["application"]["tasks"]["dag_tasks"]:
            if task["name"] in queued:
                task["edge"] = "queued"
            if task["name"] in failing:
                task["base_script"] = failing_script(copy, tasks[task["name"]].script, flag)
            if meets_others(tasks[task["name"]]):
                task["gather"]["count"] = 1
        config.write_text(yaml.safe_dump(found), encoding="utf-8")
        yield copy


def meets_others(task: Task) -> bool:
    """Whether an item may have others with it in a group."""
    return task.gather is not None and task.gather.count != 1
