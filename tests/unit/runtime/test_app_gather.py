"""`gather` in the configuration and in the script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime import loader
from runtime.app import App
from runtime.app_config import load_app
from runtime.calling import group_of
from runtime.context import Context
from runtime.errors import AppError
from runtime.graph import Gather, Task
from runtime.loader import load_task
from tests.unit.runtime.app_folder import found, task, tasks, write

PROCESS = "def process(items, ctx):\n    return items\n"


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    loader.forget()


def chain(more: str, **scripts: str) -> tuple[str, dict[str, str]]:
    """`a` feeds `b`, which gathers."""
    return tasks(task("a", "b") + task("b", more=more)), {"b": PROCESS, **scripts}


def loaded(folder: Path, more: str) -> App:
    text, scripts = chain(more)
    return load_app(write(folder / "demo", text, **scripts))


@pytest.mark.parametrize(
    ("keys", "gather"),
    [
        ("{count: 100, within_s: 5}", Gather(count=100, within_s=5)),
        ("{count: 100}", Gather(count=100, within_s=10)),
        ("{}", Gather(count=None, within_s=10)),
    ],
)
def test_a_gather_reads_a_queue_and_always_has_a_time(tmp_path: Path, keys: str, gather: Gather) -> None:
    app = loaded(tmp_path, f", gather: {keys}")
    assert app.graph.tasks["b"].gather == gather
    assert app.graph.queues == ("b",)
    assert App.from_record(app.to_record()) == app


@pytest.mark.parametrize(
    ("more", "place", "message"),
    [
        (", gather: 5", "gather", "must be a mapping of keys to values, not 5"),
        (", gather: {cuont: 5}", "gather.cuont", "unknown key; known are count, within_s"),
        (", gather: {count: 0}", "gather.count", "must be greater than or equal to 1, not 0"),
        (", gather: {within_s: .inf}", "gather.within_s", "must be a finite number, not inf"),
        (
            ", gather: {}, route: by_key",
            "route",
            "task 'b' gathers by `key`, so it cannot choose a child by it as well;",
        ),
        (
            ", gather: {count: 3000}",
            "gather.count",
            "a group of 3000 does not fit: half of limits.in_flight_items (4096) may wait in open groups; raise that "
            "to 6000, or lower count",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, more: str, place: str, message: str) -> None:
    text, scripts = chain(more)
    faults = found(tmp_path, text, **scripts)
    if "by_key" in more:
        faults = [fault for fault in faults if "base_script" not in fault[0] and ".py" not in fault[0]]
    assert [where.rpartition("dag_tasks[1].")[2] for where, _ in faults] == [place]
    assert faults[0][1].startswith(message)


def test_a_gather_of_several_parents_takes_each(tmp_path: Path) -> None:
    two = task("a", "c") + task("b", "c")
    faults = found(tmp_path, tasks(two + task("c", more=", gather: {}"), home="[a, b]"), c=PROCESS)
    assert [message for _, message in faults] == [
        "task 'c' gathers single items, but joins those of a, b; write join: each, or join them in a task before it"
    ]
    assert not found(tmp_path, tasks(two + task("c", more=", gather: {}, join: each"), home="[a, b]"), c=PROCESS)


def test_a_gather_is_no_entry_task(tmp_path: Path) -> None:
    faults = found(tmp_path, tasks(task("a", more=", gather: {}")), a=PROCESS)
    assert [message for _, message in faults] == [
        "task 'a' gathers from a queue that tasks before it fill, and inputs come straight to it; put a task before it "
        "that gives them on: def process(item, ctx): return item"
    ]


@pytest.mark.parametrize("name", ["key", "closes"])
def test_the_functions_of_a_group_take_an_item_and_a_context(tmp_path: Path, name: str) -> None:
    text, _ = chain(", gather: {}")
    faults = found(tmp_path, text, b=f"{PROCESS}def {name}(item): ...\n")
    assert [message for _, message in faults] == [f"`{name}` takes other arguments; write `def {name}(item, ctx)`"]
    folder = write(tmp_path / "async", text, b=f"{PROCESS}async def {name}(item, ctx): ...\n")
    with pytest.raises(AppError, match=f"`{name}` must be a plain function; write `def {name}\\(item, ctx\\)`"):
        load_task("demo", Task(name="b", script="b.py", gather=Gather()), folder)


@pytest.mark.parametrize(
    ("functions", "answers"),
    [
        ("", [("", False), ("", False)]),
        ("def key(item, ctx):\n    return item % 2\n", [("1", False), ("0", False)]),
        ("def closes(item, ctx):\n    return item > 7 or None\n", [("", False), ("", True)]),
    ],
)
def test_what_they_say_is_asked_for_each_item(tmp_path: Path, functions: str, answers: list[tuple[str, bool]]) -> None:
    text, _ = chain(", gather: {}")
    folder = write(tmp_path / "demo", text, b=PROCESS + functions)
    user_task = load_task("demo", Task(name="b", script="b.py", gather=Gather()), folder)
    context = Context(app="demo", task="b", node="n").for_item("i")
    assert [group_of(user_task, context, item) for item in (7, 8)] == answers
    assert user_task.sorts == bool(functions)
