"""Runs the DNAD application's tasks in this process, as its `app_config.yaml` connects them.

The folder's modules are imported with the folder on the path, as a worker does, and are then taken out of
`sys.modules` again, so that no other application's test finds a module of this one. Run as a script, it
prints the result of one capture file.
"""

import importlib
import json
import logging
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[3] / "app_specific_files" / "dnad"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))


def _load() -> SimpleNamespace:
    before = {name: sys.modules.pop(name) for name in NAMES if name in sys.modules}
    sys.path.insert(0, str(FOLDER))
    try:
        return SimpleNamespace(**{name: importlib.import_module(name) for name in NAMES})
    finally:
        sys.path.remove(str(FOLDER))
        for name in NAMES:
            sys.modules.pop(name, None)
        sys.modules.update(before)


app = _load()
config: dict[str, Any] = yaml.safe_load((FOLDER / "app_config.yaml").read_text())["application"]
tasks: dict[str, dict[str, Any]] = {task["name"]: task for task in config["tasks"]["dag_tasks"]}


class Outbox:
    """A task's `ctx`: what it emits, by child."""

    def __init__(self, name: str) -> None:
        self.task, self.node, self.headers = name, "node1", {}
        self.logger = logging.getLogger(name)
        self.children = tuple(tasks[name]["children"])
        self.sent: dict[str, list[Any]] = {child: [] for child in self.children}

    def emit(self, value: Any, to: str | None = None) -> None:
        for child in [to] if to else self.children:
            self.sent[child].append(value)


def run(data: bytes) -> dict[str, Any]:
    """The one result of a capture; fails if any edge carries other than one value."""
    parts: dict[str, dict[str, Any]] = {name: {} for name in [*tasks, "home"]}
    parts["window"] = {"home": data}
    for name in tasks:  # the file lists parents before children
        found = parts[name]
        is_join = len(found) > 1
        outbox = Outbox(name)
        module: ModuleType = getattr(app, Path(tasks[name]["base_script"]).stem)
        value = module.process(found if is_join else next(iter(found.values())), outbox)
        if value is not None:
            outbox.emit(value)
        for child, values in outbox.sent.items():
            (only,) = values
            parts[child][name] = json.loads(json.dumps(only, allow_nan=False))
    return parts["home"]["global_fusion"]


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]).read_bytes()), indent=1))
