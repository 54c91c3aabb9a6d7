"""One test per fault of an application's scripts: what is said, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.app_config import check
from tests.unit.runtime.app_folder import PROCESS, found, task, tasks, write

DAG = "application.tasks.dag_tasks"


SCRIPTS = {
    "missing": (
        "- {name: a, base_script: x.py, children: [home]}",
        PROCESS,
        f"5 {DAG}[0].base_script",
        "the script 'x.py' does not exist; create ",
    ),
    "outside": (
        "- {name: a, base_script: ../x.py, children: [home]}",
        PROCESS,
        f"5 {DAG}[0].base_script",
        "the script '../x.py' lies outside the application's folder; move it inside",
    ),
    "absolute": (
        "- {name: a, base_script: /x.py, children: [home]}",
        PROCESS,
        f"5 {DAG}[0].base_script",
        "the script '/x.py' lies outside",
    ),
    "hidden": (
        "- {name: a, base_script: .x/a.py, children: [home]}",
        PROCESS,
        f"5 {DAG}[0].base_script",
        "the script '.x/a.py' is hidden and would not be sent along; rename it",
    ),
    "folder": (
        "- {name: a, base_script: ., children: [home]}",
        PROCESS,
        f"5 {DAG}[0].base_script",
        "the script '.' is no file",
    ),
    "unnamed": (
        "- {name: a, children: [home]}",
        PROCESS,
        f"5 {DAG}[0].base_script",
        "the key 'base_script' is missing;",
    ),
    "syntax": (task("a"), "\nx = (", "a.py:2", "the script does not parse: '(' was never closed"),
    "null byte": (task("a"), "\0", "a.py:1", "the script does not parse: source code string cannot contain null bytes"),
    "no process": (
        task("a"),
        "class A:\n  def process(i, c): pass",
        "a.py",
        "the script has no `def process(item, ctx)`; add it",
    ),
    "arguments": (
        task("a"),
        "\ndef process(item): pass",
        "a.py:2",
        "`process` takes other arguments; write `def process(item, ctx)`",
    ),
    "no key": (task("a", more=", route: by_key"), PROCESS, "a.py", "the script has no `def key(value)`; add it"),
    "file contract": (
        task("a"),
        "def task(q, pathin, pathout, task_name): pass",
        "a.py",
        "the script has `task(q, pathin, pathout, task_name)`, Jupiter's file contract, which is not supported "
        "yet; write `def process(item, ctx)` instead",
    ),
}


@pytest.mark.parametrize("text, script, place, message", SCRIPTS.values(), ids=SCRIPTS)
def test_scripts(tmp_path: Path, text: str, script: str, place: str, message: str) -> None:
    ((where, said),) = found(tmp_path, tasks(text), a=script)
    assert where == place
    assert said.startswith(message)


def test_a_script_linked_from_elsewhere_lies_outside(tmp_path: Path) -> None:
    folder = write(tmp_path / "demo", tasks(task("a")))
    (tmp_path / "x.py").write_text(PROCESS)
    (folder / "a.py").unlink()
    (folder / "a.py").symlink_to(tmp_path / "x.py")
    assert check(folder)[0].message == "the script 'a.py' lies outside the application's folder; move it inside"


def test_a_source_needs_run_and_a_shared_script_is_told_once(tmp_path: Path) -> None:
    text = tasks(task("a", "b") + "- {name: b, base_script: a.py, children: [home]}")
    text += "    nondag_tasks:\n      - {name: s, base_script: s.py, k8s_host: h, children: [a]}\n"
    assert found(tmp_path, text, a="", s="def process(item, ctx): pass") == [
        ("a.py", "the script has no `def process(item, ctx)`; add it"),
        ("s.py", "the script has no `def run(ctx)`; add it"),
    ]


def test_what_cannot_be_sent_along_is_told_at_once_and_by_name(tmp_path: Path) -> None:
    folder = write(tmp_path / "demo", tasks(task("a")))
    (folder / "data").symlink_to(tmp_path)
    (folder / "more").symlink_to("nowhere")
    assert [(fault.place, fault.message) for fault in check(folder)] == [
        (f"{folder}/data", "this is a linked folder, which cannot be sent along; put a copy there, or remove it"),
        (f"{folder}/more", "this is a link to outside the folder; put a copy there, or remove it"),
    ]
