from __future__ import annotations

from pathlib import Path

import pytest

from deploy import scaffold
from runtime import calling, loader
from runtime.app_config import examine
from runtime.context import Context
from runtime.errors import UsageError


def test_a_new_application_is_right_and_runs(tmp_path: Path) -> None:
    files = scaffold.create(tmp_path / "mine")
    assert sorted(path.relative_to(tmp_path).as_posix() for path in files) == [
        "mine/app_config.yaml",
        "mine/clean.py",
        "mine/measure.py",
        "mine/sample_input/lines.txt",
    ]
    report = examine(tmp_path / "mine")
    assert (report.faults, report.warnings) == ((), ())
    assert report.app is not None
    values = [" Many small machines\n"]
    try:
        for name, task in report.app.graph.tasks.items():
            user_task = loader.load_task("mine", task, tmp_path / "mine")
            ctx = Context(app="mine", task=name, node="node1", children=task.children)
            calling.call_hook(user_task.setup, ctx)
            values = [out.value for out in calling.call_sync(user_task, ctx.for_item("r-1"), values[0])]
    finally:
        loader.forget()
    assert values == [{"text": "many small machines", "letters": 19, "vowels": 5}]


def test_an_empty_folder_will_do_and_a_full_one_will_not(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    scaffold.create(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*.py")}
    with pytest.raises(UsageError, match="mine is there already and not empty; choose another name"):
        scaffold.create(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*.py")} == before
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is there already"):
        scaffold.create(tmp_path / "file")


@pytest.mark.parametrize("name", ["a.b", "profile", "-x"])
def test_names_that_cannot_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"'{name}' cannot name an application; use letters"):
        scaffold.create(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file/mine cannot be written: Not a directory"):
        scaffold.create(tmp_path / "file" / "mine")
