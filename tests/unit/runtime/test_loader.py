from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime import loader
from runtime.app import SourceTask
from runtime.errors import AppError, Fault
from runtime.graph import Task
from runtime.loader import UserTask

PROCESS = "def process(item, ctx):\n    return item\n"


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    path, finders, modules = list(sys.path), list(sys.meta_path), set(sys.modules)
    yield
    loader.forget()
    assert (sys.path, sys.meta_path) == (path, finders)
    left = {name for name in set(sys.modules) - modules if not name.startswith(loader.ROOT)}
    assert not {name for name in left if "pytest-of" in str(getattr(sys.modules[name], "__file__", ""))}


def load(folder: Path, source: str = PROCESS, name: str = "a", route: str = "all", **beside: str) -> UserTask:
    for module, text in {"a": source, **beside}.items():
        (folder / f"{module}.py").write_text(text)
    return loader.load_task("demo", Task(name=name, script="a.py", route=route), folder)


def fault(folder: Path, source: str, **beside: str) -> Fault:
    with pytest.raises(AppError) as caught:
        load(folder, source, **beside)
    (found,) = caught.value.faults
    return found


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (PROCESS, "sync"),
        ("async def process(item, ctx): pass", "async"),
        ("def process(item, ctx): yield item", "generator"),
        ("async def process(item, ctx): yield item", "async_generator"),
        ("process = lambda item, ctx: item", "sync"),
        ("class P:\n    def __call__(self, item, ctx): pass\nprocess = P()", "sync"),
        ("class P:\n    async def __call__(self, item, ctx): pass\nprocess = P()", "async"),
        ("class P:\n    def each(self, item, ctx): yield 1\nprocess = P().each", "generator"),
        ("from functools import partial\ndef f(x, item, ctx): yield x\nprocess = partial(f, 1)", "generator"),
        ("from builtins import max as process", "sync"),
    ],
)
def test_kind(tmp_path: Path, source: str, kind: str) -> None:
    task = load(tmp_path, source)
    assert (task.name, task.kind, task.is_async) == ("a", kind, kind.startswith("async"))


def test_functions_of_the_script_arrive(tmp_path: Path) -> None:
    task = load(tmp_path, PROCESS + "def setup(ctx): return 1\ndef teardown(ctx): return 2\ndef key(value): return 3\n")
    assert task.setup and task.teardown and task.key
    assert (task.process(5, None), task.setup(None), task.teardown(None), task.key(0)) == (5, 1, 2, 3)
    bare = load(tmp_path, PROCESS)
    assert (bare.setup, bare.teardown, bare.key) == (None, None, None)


def test_two_tasks_share_a_script_but_no_globals(tmp_path: Path) -> None:
    source = "seen = []\nimport beside\ndef process(item, ctx):\n    seen.append(item)\n    return len(seen)\n"
    first, second = (load(tmp_path, source, name, beside="") for name in ("first", "second"))
    assert (first.process(1, None), first.process(1, None), second.process(1, None)) == (1, 2, 1)
    assert first.module.beside is second.module.beside
    assert first.module.__name__ == "_jupiter_app.demo.first"


def test_modules_and_packages_beside_the_script_are_found(tmp_path: Path) -> None:
    package = tmp_path / "words"
    package.mkdir()
    (package / "__init__.py").write_text("from .deep import SIZE")
    (package / "deep.py").write_text("from helper_of_a import SIZE")
    task = load(tmp_path, "import words\ndef process(i, c):\n    import late_one\n    return words.SIZE + late_one.ONE",
                helper_of_a="SIZE = 4", late_one="ONE = 1")  # fmt: skip
    assert task.process(0, None) == 5
    assert str(tmp_path) not in sys.path


def test_a_module_beside_the_script_replaces_none_of_pythons_or_ours(tmp_path: Path) -> None:
    source = "import colorsys, runtime.errors, circe\n" + PROCESS
    task = load(tmp_path, source, colorsys="raise 1", runtime="raise 1", circe="raise 1")
    assert not str(task.module.colorsys.__file__).startswith(str(tmp_path))
    assert not str(task.module.circe.__file__).startswith(str(tmp_path))


def test_another_folder_forgets_the_first(tmp_path: Path) -> None:
    values = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        source = "import shared_name\ndef process(i, c): return shared_name.N"
        values.append(load(folder, source, shared_name=f"N = {number}").process(0, None))
    assert values == [1, 2]
    loader.forget()
    assert "shared_name" not in sys.modules


def test_what_a_script_defines_can_be_pickled(tmp_path: Path) -> None:
    source = "from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: 'int'\n"
    task = load(tmp_path, source + "def process(item, ctx): return Point(item)")
    point = task.process(3, None)
    assert pickle.loads(pickle.dumps(point)) == point


def test_a_source(tmp_path: Path) -> None:
    (tmp_path / "camera.py").write_text("def run(ctx):\n    yield 1\ndef setup(ctx): pass\n")
    source = loader.load_source(
        "demo", SourceTask(name="camera", script="camera.py", host="h", children=("a",)), tmp_path
    )
    assert (source.name, source.kind, source.is_async, list(source.run(None))) == ("camera", "generator", False, [1])
    assert source.setup is not None and source.teardown is None


def test_an_exception_names_the_last_line_of_the_authors_own_code(tmp_path: Path) -> None:
    helper = "import json\ndef read():\n    return json.loads('{')\n"
    found = fault(tmp_path, "\nimport helper\nhelper.read()\n" + PROCESS, helper=helper)
    assert found.place == f"{tmp_path}/helper.py:3"
    assert found.message.startswith("loading task 'a' raised JSONDecodeError: Expecting property name")
    assert "_jupiter_app.demo.a" not in sys.modules


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("\nraise SystemExit(3)", ":2", "loading task 'a' raised SystemExit: 3"),
        ("x = (\n", ":1", "loading task 'a' raised SyntaxError: '(' was never closed"),
        ("\n\nimport no_such_module_at_all", ":3", "task 'a' imports 'no_such_module_at_all', which is neither"),
        ("x = 1", "", "the script has no `def process(item, ctx)`; add it"),
        ("process = 5", "", "`process` is no function; write `def process(item, ctx)`"),
        ("def process(item): pass", "", "`process` cannot be called as process(item, ctx): too many positional"),
        ("def process(i, c): pass\ndef setup(): pass", "", "`setup` cannot be called as setup(ctx): too many"),
        ("def process(i, c): pass\nasync def setup(c): pass", "", "`setup` must be a plain function, or `async def`"),
        ("async def process(i, c): pass\ndef setup(c): yield", "", "`setup` must be a plain function, or"),
    ],
)
def test_faults(tmp_path: Path, source: str, line: str, message: str) -> None:
    found = fault(tmp_path, source)
    assert found.place == f"{tmp_path}/a.py{line}"
    assert found.message.startswith(message)


def test_async_tasks_may_have_hooks_of_either_kind(tmp_path: Path) -> None:
    source = "async def process(i, c): pass\nasync def setup(c): pass\ndef teardown(c): pass"
    task = load(tmp_path, source)
    assert task.setup and task.teardown


def test_by_key_needs_a_key(tmp_path: Path) -> None:
    with pytest.raises(AppError, match=r"no `def key\(value\)`"):
        load(tmp_path, PROCESS, route="by_key")


@pytest.mark.parametrize("script", ["../outside.py", "none.py", "."])
def test_only_files_of_the_folder_are_loaded(tmp_path: Path, script: str) -> None:
    (tmp_path / "outside.py").write_text(PROCESS)
    (tmp_path / "app").mkdir()
    with pytest.raises(AppError, match="is not a file of the application's folder"):
        loader.load_task("demo", Task(name="a", script=script), tmp_path / "app")


def test_a_worker_needs_none_of_the_parsers() -> None:
    code = (
        "import sys, runtime.app, runtime.bundle, runtime.loader, runtime.calling, runtime.context\n"
        "sys.exit(' '.join({'yaml', 'pydantic', 'networkx', 'numpy'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
