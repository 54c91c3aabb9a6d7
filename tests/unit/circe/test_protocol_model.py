"""The protocol's first test: every root ends, none early, nothing twice, nothing left behind, whatever happens.

Random walks over the state machines that ship, on diamonds and random small graphs, under kills, zombies,
loss, repetition, delay and reordering at every step, with windows and frames of 1 to 4.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.graph import Task, TaskGraph
from runtime.network import HOME
from tests.unit.circe.protocol_ends import expected
from tests.unit.circe.protocol_world import BreachError, Faults, World

EXAMPLES = int(os.environ.get("JUPITER_MODEL_EXAMPLES", "300"))
"""More walks: JUPITER_MODEL_EXAMPLES=20000 pytest tests/unit/circe/test_protocol_model.py"""


def diamond(join: str | int = "all") -> TaskGraph:
    tasks = [
        Task(name="split", script="s.py", children=("left", "right")),
        Task(name="left", script="s.py", children=("merge",)),
        Task(name="right", script="s.py", children=("merge",)),
        Task(name="merge", script="s.py", children=("last",), join=join),
        Task(name="last", script="s.py", children=(HOME,)),
    ]
    return TaskGraph({task.name: task for task in tasks}, ("split",))


@st.composite
def graphs(draw: st.DrawFn) -> TaskGraph:
    """Up to six tasks; every task is reached, and the last are results."""
    count = draw(st.integers(1, 6))
    names = [f"t{index}" for index in range(count)]
    children: dict[str, list[str]] = {name: [] for name in names}
    entries = [names[0]]
    for index in range(1, count):
        parents = draw(st.sets(st.integers(-1, index - 1), min_size=1, max_size=3))
        for parent in sorted(parents):
            (children[names[parent]] if parent >= 0 else entries).append(names[index])
    for name in names:
        if not children[name] or draw(st.booleans()):
            children[name].append(HOME)
    plain = {name: Task(name=name, script="s.py", children=tuple(children[name])) for name in names}
    shape = TaskGraph(plain, tuple(entries))
    tasks = {}
    for name in names:
        parents_of = len(shape.parents(name))
        joins: list[str | int] = ["all"]
        if parents_of > 1:
            joins += ["any", 2] + (["each"] if shape.enclosing_join(name) is None else [])
        tasks[name] = Task(name=name, script="s.py", children=tuple(children[name]), join=draw(st.sampled_from(joins)))
    return TaskGraph(tasks, tuple(entries))


@st.composite
def styled(draw: st.DrawFn, shapes: st.SearchStrategy[TaskGraph]) -> tuple[TaskGraph, dict[str, str]]:
    """A graph and what the user code of each task does; several outputs only where they are allowed."""
    graph = draw(shapes)
    styles = {}
    for task in graph.tasks:
        allowed = ["pass", "filter", "choose"]
        if HOME in graph.tasks[task].children:
            allowed.append("refused")
        if graph.enclosing_join(task) is None:
            allowed.append("two")
        styles[task] = draw(st.sampled_from(allowed))
    return graph, styles


fault_budgets = st.builds(
    Faults,
    crash=st.integers(0, 5),
    head_crash=st.integers(0, 2),
    lose=st.integers(0, 6),
    repeat=st.integers(0, 6),
    reconnect=st.integers(0, 2),
    redeliver=st.integers(0, 3),
    absence=st.integers(0, 3),
    zombies=st.booleans(),
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(styled(st.sampled_from([diamond(), diamond("any"), diamond(1), diamond("each")])), st.integers(0), fault_budgets)
def test_diamond(graph_and_styles: tuple[TaskGraph, dict[str, str]], seed: int, faults: Faults) -> None:
    World(*graph_and_styles, seed, faults).walk()


@settings(max_examples=EXAMPLES, deadline=None)
@given(styled(graphs()), st.integers(0), fault_budgets)
def test_random_graphs(graph_and_styles: tuple[TaskGraph, dict[str, str]], seed: int, faults: Faults) -> None:
    World(*graph_and_styles, seed, faults).walk()


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(styled(graphs()), st.integers(0))
def test_without_faults_nothing_is_sent_again_and_every_result_is_there(
    graph_and_styles: tuple[TaskGraph, dict[str, str]], seed: int
) -> None:
    graph, styles = graph_and_styles
    world = World(graph, styles, seed, Faults(0, 0, 0, 0, 0, 0, 0))
    world.quiet = True
    world._settle()
    ends = [expected(graph, styles, f"i{root}") for root in world.queue]
    assert set(world.egress) == set().union(*(results for results, _ in ends))
    assert world.letters == set().union(*(letters for _, letters in ends))
    assert world.head.resent == 0


def test_the_check_can_fail_when_a_root_is_acknowledged_early() -> None:
    world = World(diamond(), {}, 0, Faults(0, 0, 0, 0, 0, 0, 0))
    with pytest.raises(BreachError, match="ended early"):
        world._acknowledge(1)
