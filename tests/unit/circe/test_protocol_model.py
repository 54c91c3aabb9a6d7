"""The protocol's first test: every root ends, none early, nothing twice, nothing left behind, whatever happens.

Random walks over the state machines that ship, on diamonds and random small graphs, under kills, zombies,
loss, repetition, delay and reordering at every step, with windows and frames of 1 to 4; in some graphs queues part
them into segments, each with a head of its own.
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.graph import Task, TaskGraph
from runtime.network import HOME
from tests.unit.circe.protocol_ends import everything
from tests.unit.circe.protocol_walk import settle, walk
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


def two_diamonds() -> TaskGraph:
    """With a queue between."""
    tasks = dict(diamond().tasks)
    tasks["last"] = Task(name="last", script="s.py", children=("up", "down"), edge="queued")
    for name in ("up", "down"):
        tasks[name] = Task(name=name, script="s.py", children=("meet",))
    tasks["meet"] = Task(name="meet", script="s.py", children=(HOME,))
    return TaskGraph(tasks, ("split",))


def queues_above(graph: TaskGraph) -> dict[str, frozenset[str]]:
    """By task the queues that its items may have come out of last."""
    found = {HOME: frozenset({HOME})}
    for task in graph.order:
        above = frozenset().union(*(found[parent] for parent in graph.parents(task)))
        found[task] = frozenset({task}) if task in graph.queues else above
    return found


def is_right(graph: TaskGraph) -> bool:
    """As `runtime.app_check_queues` has it: no entry task and no join has a queue, and none spans one."""
    above = queues_above(graph)
    joins = [task for task in graph.tasks if graph.is_join(task)]
    if any(queue in graph.entries or queue in joins for queue in graph.queues):
        return False
    return all(len({above[parent] for parent in graph.parents(join)}) == 1 for join in joins)


def with_queues(graph: TaskGraph, wanted: list[str]) -> TaskGraph:
    """Queues where they are wanted and may be."""
    for name in wanted:
        queued = TaskGraph({**graph.tasks, name: replace(graph.tasks[name], edge="queued")}, graph.entries)
        graph = queued if is_right(queued) else graph
    return graph


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
        tasks[name] = replace(plain[name], join=draw(st.sampled_from(joins)), replicas=draw(st.sampled_from([1, 1, 2])))
    graph = TaskGraph(tasks, tuple(entries))
    return with_queues(graph, [name for name in names if draw(st.booleans())])


@st.composite
def styled(
    draw: st.DrawFn, shapes: st.SearchStrategy[TaskGraph], may_fails: bool = True
) -> tuple[TaskGraph, dict[str, str]]:
    """A graph and what the user code of each task does; several outputs only where they are allowed."""
    graph = draw(shapes)
    styles = {}
    for task in graph.tasks:
        allowed = ["pass", "filter", "choose"]
        if may_fails:
            allowed.append("flaky")
        if HOME in graph.tasks[task].children:
            allowed.append("refused")
        if graph.enclosing_join(task) is None:
            allowed += ["two", "both"] + (["flaky two", "flaky both"] if may_fails else [])
        styles[task] = draw(st.sampled_from(allowed))
    return graph, styles


fault_budgets = st.builds(
    Faults,
    crash=st.integers(0, 5),
    head_crash=st.integers(0, 2),
    lose=st.integers(0, 6),
    repeat=st.integers(0, 6),
    reconnect=st.integers(0, 2),
    absence=st.integers(0, 3),
    redeliver=st.integers(0, 3),
    zombies=st.booleans(),
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(styled(st.sampled_from([diamond(), diamond("any"), diamond(1), diamond("each")])), st.integers(0), fault_budgets)
def test_diamond(graph_and_styles: tuple[TaskGraph, dict[str, str]], seed: int, faults: Faults) -> None:
    walk(World(*graph_and_styles, seed, faults))


def doubled() -> TaskGraph:
    """The diamond with two replicas of a branch and of the join."""
    tasks = dict(diamond().tasks)
    for name in ("left", "merge"):
        tasks[name] = replace(tasks[name], replicas=2)
    return TaskGraph(tasks, ("split",))


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(styled(st.just(doubled())), st.integers(0), fault_budgets)
def test_replicas(graph_and_styles: tuple[TaskGraph, dict[str, str]], seed: int, faults: Faults) -> None:
    walk(World(*graph_and_styles, seed, faults))


@settings(max_examples=EXAMPLES, deadline=None)
@given(styled(st.just(two_diamonds())), st.integers(0), fault_budgets)
def test_a_queue_between_diamonds(
    graph_and_styles: tuple[TaskGraph, dict[str, str]], seed: int, faults: Faults
) -> None:
    walk(World(*graph_and_styles, seed, faults, roots=4), steps=400)


@settings(max_examples=EXAMPLES, deadline=None)
@given(styled(graphs()), st.integers(0), fault_budgets)
def test_random_graphs(graph_and_styles: tuple[TaskGraph, dict[str, str]], seed: int, faults: Faults) -> None:
    walk(World(*graph_and_styles, seed, faults))


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(styled(graphs(), may_fails=False), st.integers(0))
def test_without_faults_nothing_is_sent_again_and_every_result_is_there(
    graph_and_styles: tuple[TaskGraph, dict[str, str]], seed: int
) -> None:
    graph, styles = graph_and_styles
    world = World(graph, styles, seed, Faults(0, 0, 0, 0, 0, 0, 0))
    world.quiet = True
    settle(world)
    ends = [everything(graph, styles, f"i{root}") for root in world.queues[HOME].states]
    assert set(world.egress) == set().union(*(found.results for found in ends))
    assert set(world.letters) == set().union(*(found.letters for found in ends))
    assert sum(head.resent for head in world.heads()) == 0


def test_the_check_can_fail_when_a_root_is_acknowledged_early() -> None:
    world = World(two_diamonds(), {}, 0, Faults(0, 0, 0, 0, 0, 0, 0))
    with pytest.raises(BreachError, match="ended early"):
        world._acknowledge(HOME, 1)
    world.queues["last"].put("i1", 1)
    world._acknowledge(HOME, 1)
    with pytest.raises(BreachError, match="of last ended early"):
        world._acknowledge("last", 1)
