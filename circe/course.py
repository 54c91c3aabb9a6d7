"""What must be stored when all that came of an item has ended: where an attempt looks for what another came to. Pure.

It is known beforehand where tasks give an item on under its own id, as they do when they return a value. What a task
inside a segment dropped, or gave more than once, cannot be told from what was lost: then an item counts as not ended,
because a dead letter too many is better than a result that is missing without one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from runtime.graph import TaskGraph
from runtime.network import HOME


class Place(NamedTuple):
    """An item at a task."""

    task: str
    item_id: str


class Store(NamedTuple):
    """An output of a place, as the egress (`home`) or a child's queue holds it. The id of its k-th of several is that
    of `item_id` with `.k` before what is appended."""

    child: str
    item_id: str
    appended: str


class Step(NamedTuple):
    """What an item at a place leads to next, up to the next queues."""

    places: tuple[Place, ...]
    stores: tuple[Store, ...]
    is_choice: bool
    """One of them gets it (`route`), and otherwise all; as if all did where several may under the item's own id."""


def course(graph: TaskGraph, *items: Place, spared: bool = False) -> dict[Place, Step]:
    """By place, from the items on: only what would not be without them, so not a join that does with its other
    parents; with `spared` also that, since those may have dropped the item."""
    ids = _ids(graph, items, spared=spared)
    return {
        Place(found, each): _step(graph, ids, found, each) for found, found_ids in ids.items() for each in found_ids
    }


def _ids(graph: TaskGraph, items: Sequence[Place], *, spared: bool) -> dict[str, tuple[str, ...]]:
    own = {place.task: tuple(item_id for task, item_id in items if task == place.task) for place in items}
    ids: dict[str, tuple[str, ...]] = {}
    for found in graph.segment(*own):
        given = [(parent, each) for parent in graph.parents(found) for each in ids.get(parent, ())]
        if found in graph.queues or not (spared or _needs(graph, found, len({parent for parent, _ in given}))):
            given = []
        below = (_id_at(graph, found, parent, each) for parent, each in given)
        if found_ids := tuple(dict.fromkeys((*own.get(found, ()), *below))):
            ids[found] = found_ids
    return ids


def _needs(graph: TaskGraph, task: str, parents: int) -> bool:
    """Whether a task has nothing to do when so many of its parents are silent."""
    if not graph.is_join(task):
        return True
    all_parents, join = len(graph.parents(task)), graph.tasks[task].join
    needed = {"all": all_parents, "any": 1}.get(str(join)) or int(join)
    return all_parents - parents < needed


def _id_at(graph: TaskGraph, task: str, parent: str, item_id: str) -> str:
    """Where parts of one item run apart, their ids tell where they came from (`circe.flow`)."""
    apart = len(graph.parents(task)) > 1 and not graph.is_join(task)
    return f"{item_id}.{parent}" if apart else item_id


def _step(graph: TaskGraph, ids: dict[str, tuple[str, ...]], task: str, item_id: str) -> Step:
    children = graph.tasks[task].children
    places = [Place(child, _id_at(graph, child, task, item_id)) for child in children if child in ids]
    is_choice = graph.tasks[task].route != "all" and graph.enclosing_join(task) is None
    return Step(tuple(places), tuple(_stores(graph, task, item_id)), is_choice)


def _stores(graph: TaskGraph, task: str, item_id: str) -> Iterator[Store]:
    for child in graph.tasks[task].children:
        if child == HOME:
            yield Store(child, item_id, "")
        elif child in graph.queues:
            yield Store(child, item_id, f".{task}" if len(graph.parents(child)) > 1 else "")
