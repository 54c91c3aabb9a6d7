"""What the user code of the model check gives, and what every input must therefore lead to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set as AbstractSet
from typing import NamedTuple
from zlib import crc32

from circe.outputs import Output
from runtime.graph import TaskGraph
from runtime.network import HOME


def behaviour(graph: TaskGraph, styles: dict[str, str], task: str, item_id: str) -> list[Output]:
    """What user code returns for an item: the same every time."""
    chance = crc32(f"{task}/{item_id}".encode())
    match styles.get(task, "pass"):
        case "filter" if chance % 3 == 0:
            return []
        case "two" | "flaky two" | "refused" if graph.enclosing_join(task) is None:
            return [Output(b"1", None, returned=False), Output(b"2", None, returned=False)]
        case "both" | "flaky both" if graph.enclosing_join(task) is None:
            return [Output(b"e", None, returned=False), Output(b"v")]
        case "flaky spread":
            return [Output(b"s", child, returned=False) for child in graph.tasks[task].children]
        case "choose" if graph.tasks[task].children:
            children = graph.tasks[task].children
            return [Output(b"c", children[chance % len(children)], returned=False)]
    return [Output(b"v")]


def is_refused(styles: dict[str, str], task: str, item_id: str) -> bool:
    """Whether the egress will not have a result: too big, or its id is another input's."""
    return styles.get(task) == "refused" and crc32(f"egress {task}/{item_id}".encode()) % 3 == 0


Place = tuple[str, str]
"""(task, id)"""


def may_fail(styles: dict[str, str], task: str) -> bool:
    """Whether user code fails at one time and not at another."""
    return styles.get(task) in ("flaky", "flaky two", "flaky both", "flaky spread")


class Ends(NamedTuple):
    """What one input must have led to when it ends."""

    results: set[Place]
    letters: set[Place]
    queued: set[Place]
    """What the next queues must hold."""


def everything(
    graph: TaskGraph, styles: dict[str, str], item_id: str, failed: AbstractSet[Place] = frozenset()
) -> Ends:
    """What an input of the ingress leads to in the end, by way of all the queues."""
    results, letters, left = set(), set(), {(HOME, item_id)}
    while left:
        queue, found = left.pop()
        ends = expected(graph, styles, found, queue, failed)
        results |= ends.results
        letters |= ends.letters
        left |= ends.queued
    return Ends(results, letters, set())


def expected(
    graph: TaskGraph,
    styles: dict[str, str],
    item_id: str,
    queue: str = HOME,
    failed: AbstractSet[Place] = frozenset(),
) -> Ends:
    """Evaluated without the machines, up to the next queues; nothing comes of what `failed`."""
    arrived: dict[str, dict[str, set[str]]] = {task: {} for task in graph.tasks}
    for entry in graph.entries if queue == HOME else (queue,):
        arrived[entry].setdefault(item_id, set()).update(graph.parents(entry) if queue == entry else (HOME,))
    results: set[Place] = set()
    letters: set[Place] = set()
    queued: set[Place] = set()
    for task in graph.order:
        needed = {"all": len(graph.parents(task)), "any": 1, "each": 1}.get(str(graph.tasks[task].join), 0)
        needed = needed or int(graph.tasks[task].join)
        inputs = {found for found, parents in arrived[task].items() if len(parents) >= needed}
        if graph.tasks[task].join == "each" and len(graph.parents(task)) > 1 and task != queue:
            inputs = {f"{found}.{parent}" for found, parents in arrived[task].items() for parent in parents}
        for found in inputs:
            if (task, found) in failed:
                continue
            count: Counter[str] = Counter()
            outputs = behaviour(graph, styles, task, found)
            for output in outputs:
                for child in graph.tasks[task].children:
                    if output.to not in (None, child):
                        continue
                    count[child] += 1
                    keeps = ([output] == outputs and output.returned) or graph.enclosing_join(task) is not None
                    own = found if keeps else f"{found}.{count[child]}"
                    if child == HOME and not is_refused(styles, task, own):
                        _add(results, (task, own))
                    elif child == HOME:
                        letters.add((task, found))
                    elif child in graph.queues:
                        _add(queued, (child, own if len(graph.parents(child)) == 1 else f"{own}.{task}"))
                    else:
                        arrived[child].setdefault(own, set()).add(task)
    return Ends(results, letters, queued)


def _add(places: set[Place], place: Place) -> None:
    """Two outputs with one id would be one item."""
    if place in places:
        raise AssertionError(f"two outputs have the id of {place}")
    places.add(place)
