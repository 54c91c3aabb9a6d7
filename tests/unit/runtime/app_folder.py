"""Applications written into a folder, for tests."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

from runtime.app_config import check

PROCESS = "def process(item, ctx):\n    return item\n"


def write(folder: Path, config: str, **scripts: str) -> Path:
    """An application's folder with `a.py`, `b.py` and `c.py` that pass items on, unless told otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "app_config.yaml").write_text(dedent(config).lstrip("\n"))
    for name, source in {**dict.fromkeys("abc", PROCESS), **scripts}.items():
        (folder / f"{name}.py").write_text(source)
    return folder


def tasks(text: str, *, home: str = "[a]", before: str = "") -> str:
    """A configuration whose `dag_tasks` begin in line 5 (and lower by the lines of `before`)."""
    body = indent(dedent(text).strip("\n"), "      ")
    return f"{before}application:\n  tasks:\n    home: {{children: {home}}}\n    dag_tasks:\n{body}\n"


def task(name: str, children: str = "home", more: str = "") -> str:
    """One line of `dag_tasks`: the task, in the script of its name."""
    return f"- {{name: {name}, base_script: {name}.py, children: [{children}]{more}}}\n"


def found(folder: Path, text: str, **scripts: str) -> list[tuple[str, str]]:
    """The faults as (place, message), the place from the folder on and without the configuration's name."""
    folder = write(folder / "demo", text, **scripts)
    return [
        (fault.place.removeprefix(f"{folder}/").removeprefix("app_config.yaml:"), fault.message)
        for fault in check(folder)
    ]
