"""What everybody asks of the task graph."""

from __future__ import annotations

from runtime.app import App
from runtime.graph import Task, TaskGraph
from runtime.network import HOME


def with_a_queue() -> TaskGraph:
    """home -> split -> left, right -> merge -> (queue) heavy -> up, down -> meet -> home; merge -> aside -> home"""
    tasks = [
        Task(name="split", script="s.py", children=("left", "right")),
        Task(name="left", script="s.py", children=("merge",)),
        Task(name="right", script="s.py", children=("merge",)),
        Task(name="merge", script="s.py", children=("heavy", "aside")),
        Task(name="heavy", script="s.py", children=("up", "down"), edge="queued"),
        Task(name="up", script="s.py", children=("meet",)),
        Task(name="down", script="s.py", children=("meet",)),
        Task(name="meet", script="s.py", children=(HOME,)),
        Task(name="aside", script="s.py", children=(HOME,)),
    ]
    return TaskGraph({task.name: task for task in tasks}, ("split",))


def test_a_segment_ends_before_the_next_queue() -> None:
    app = App(name="a", graph=with_a_queue())
    assert {queue: set(found) for queue, found in app.segments.items()} == {
        HOME: {"split", "left", "right", "merge", "aside"},
        "heavy": {"heavy", "up", "down", "meet"},
    }


def test_a_join_behind_a_queue_asks_nothing_of_the_tasks_before_it() -> None:
    graph = with_a_queue()
    assert graph.enclosing_join("up") == ("heavy", "meet")
    assert graph.enclosing_join("left") == ("split", "merge")
    assert graph.enclosing_join("merge") is None
    assert graph.reaches_join("split")
    assert not graph.reaches_join("aside")
