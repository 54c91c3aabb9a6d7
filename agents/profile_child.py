"""The profiler's child: runs an application's graph once on its sample input and times every task.

Started by `agents.execution` as a process of its own, because user code may do anything. It says JSON lines on
what was its standard output: `{"ready": true}`, then for each task `{"begin": …}` and its numbers or an error.
The request is one line on standard input. Whatever user code prints goes to standard error.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import IO, Any

from agents.measuring import Measurement, TaskError
from agents.samples import SampleError, Samples
from runtime.app import App
from runtime.graph import Task


def main() -> None:
    """Serve one request."""
    says, asks = _take_pipes()
    _step_aside()
    _say(says, ready=True)
    request = json.loads(asks.readline())
    app = App.from_record(request["app"])
    folder = Path(request["folder"])
    os.chdir(folder)
    samples = Samples(app.graph, folder, app.input)
    broken: dict[str, str] = {}
    with asyncio.Runner() as runner:
        for name in app.graph.order:
            task = app.graph.tasks[name]
            _say(says, begin=name)
            measurement = Measurement(app, task, folder, request["node"], request["cores"], runner)
            answer = _profile(task, measurement, samples, broken, app, request["budget_s"])
            if "error" in answer:
                broken[name] = answer["error"]
            _say(says, task=name, **answer)


def _profile(
    task: Task,
    measurement: Measurement,
    samples: Samples,
    broken: dict[str, str],
    app: App,
    budget_s: float,
) -> dict[str, Any]:
    try:
        numbers = measurement.measure(samples.inputs(task.name), budget_s)
    except SampleError as missing:
        culprits = [parent for parent in app.graph.parents(task.name) if parent in broken]
        if culprits and task.sample_input is None:
            return {"error": f"not measured, because its input comes from '{culprits[0]}', which was not"}
        return {"error": f"not measured: {missing}"}
    except TaskError as failure:
        return {"error": f"fails on its sample input: {failure}"}
    for item_id, by_child in measurement.sent:
        samples.add(task.name, item_id, by_child)
    return numbers


def _take_pipes() -> tuple[IO[str], IO[str]]:
    """Keep the parent's pipes for ourselves; user code finds an empty input, and output that disturbs nobody."""
    says = os.fdopen(os.dup(1), "w", buffering=1)
    asks = os.fdopen(os.dup(0), "r")
    os.dup2(2, 1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return says, asks


def _step_aside() -> None:
    """From here on, `agents` and whatever else lies beside `runtime` are names like any other.

    User code may need an installed package that is called like one of our folders; and processes it starts
    must not import this module again as their `__main__`.
    """
    root = Path(__file__).resolve().parent.parent
    sys.path[:] = [entry for entry in sys.path if not _is_same(entry, root)]
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(entry for entry in inherited if not _is_same(entry, root))
    for name in [name for name in sys.modules if name.partition(".")[0] == "agents"]:
        del sys.modules[name]
    main_module = sys.modules["__main__"]
    main_module.__spec__ = None
    main_module.__dict__.pop("__file__", None)


def _is_same(entry: str, root: Path) -> bool:
    return bool(entry) and Path(entry).resolve() == root


def _say(says: IO[str], **message: Any) -> None:
    says.write(json.dumps(message) + "\n")


if __name__ == "__main__":
    main()
