"""Sample input of an application: files cut into items, and what travels along each edge when it runs.

Used by the profiler's child. The values one task gives are the next one's input, so the graph runs once on a
few items and every task can then be repeated on its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from runtime.graph import Task, TaskGraph
from runtime.network import HOME

FOLDER = "sample_input"
MOST_ITEMS = 20
"""A few items show what the task costs; the rest of a long file would only take time."""

Edge = tuple[str, str]


class Sample(NamedTuple):
    """One item on an edge."""

    item_id: str
    payload: bytes


class SampleInput(NamedTuple):
    """One item as a task gets it: a payload, for a join one by parent, for a gather those of a group."""

    item_id: str
    payload: bytes | None = None
    parts: Mapping[str, bytes] = {}
    members: tuple[bytes, ...] = ()

    @property
    def items(self) -> int:
        """How many of them it is."""
        return len(self.members) or 1

    @property
    def size_bytes(self) -> int:
        """Of all that the task gets."""
        return len(self.payload) if self.payload is not None else sum(map(len, (*self.parts.values(), *self.members)))


class SampleError(Exception):
    """A task cannot be measured for want of input; says what to add."""


def read_items(path: Path, cut: str | int) -> list[Sample]:
    """The first items of a file, or of a folder's files in order of their names, cut as the application says."""
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    payloads = (payload for file in files if file.name[0] != "." for payload in cut_file(file, cut))
    return [Sample(f"sample-{n}", payload) for n, payload in enumerate(islice(payloads, MOST_ITEMS), 1)]


def cut_file(path: Path, cut: str | int) -> Iterator[bytes]:
    """`lines`, a number of lines joined by their line ends, or the `whole` file."""
    if cut == "whole":
        yield path.read_bytes()
        return
    count = cut if isinstance(cut, int) else 1
    with path.open("rb") as file:
        while lines := list(islice(file, count)):
            yield b"".join(lines).rstrip(b"\r\n")


def home_items(folder: Path, cut: str | int) -> list[Sample]:
    """What enters the graph: the items of the application's `sample_input` folder."""
    path = folder / FOLDER
    return read_items(path, cut) if path.exists() else []


class Samples:
    """What is known to travel along each edge."""

    def __init__(self, graph: TaskGraph, folder: Path, cut: str | int) -> None:
        self._graph = graph
        self._folder = folder
        self._cut = cut
        entering = home_items(folder, cut)
        self._edges: dict[Edge, list[Sample]] = {(HOME, entry): entering for entry in graph.entries}

    def add(self, task: str, item_id: str, by_child: Mapping[str, list[bytes]]) -> None:
        """Remember what one call sent; several outputs to a child are counted, as the worker does."""
        for child, payloads in by_child.items():
            found = self._edges.setdefault((task, child), [])
            for k, payload in enumerate(payloads, 1):
                found.append(Sample(item_id if len(payloads) == 1 else f"{item_id}.{k}", payload))

    def inputs(self, name: str) -> list[SampleInput]:
        """The items a task is measured on; raises SampleError when there are none."""
        task = self._graph.tasks[name]
        if task.sample_input is not None:
            return self._own_inputs(task)
        parents = self._graph.parents(name)
        edges = {parent: self._edges.get((parent, name), []) for parent in parents}
        if self._graph.is_join(name):
            found = _joined(edges, task)
        else:
            found = [SampleInput(*sample) for samples in edges.values() for sample in samples]
        if not found:
            raise SampleError(self._advice(name, edges))
        return found[:MOST_ITEMS]

    def _own_inputs(self, task: Task) -> list[SampleInput]:
        path = self._folder / str(task.sample_input)
        if not path.resolve().is_relative_to(self._folder.resolve()) or not path.exists():
            raise SampleError(f"its sample_input {task.sample_input} is not in the application's folder; add it")
        found = [SampleInput(*sample) for sample in read_items(path, self._cut)]
        if not found:
            raise SampleError(f"its sample_input {task.sample_input} holds no item; put one in")
        return found

    def _advice(self, name: str, edges: Mapping[str, list[Sample]]) -> str:
        empty = [parent for parent, samples in edges.items() if not samples]
        if empty == [HOME]:
            return f"there is no sample input; put a file into the application's folder {FOLDER}/"
        whence = f"{', '.join(empty)} gave nothing" if empty else "its parents' parts have no item in common"
        return f"no item reached it ({whence} on the sample input); give '{name}' a sample_input of its own"


def _joined(edges: Mapping[str, list[Sample]], task: Task) -> list[SampleInput]:
    """Parts that meet by item id, in the order of the first parent that has them."""
    needed = {"all": len(edges), "any": 1}.get(str(task.join)) or int(task.join)
    parts: dict[str, dict[str, bytes]] = {}
    for parent, samples in edges.items():
        for sample in samples:
            parts.setdefault(sample.item_id, {})[parent] = sample.payload
    complete = {item_id: list(found.items())[:needed] for item_id, found in parts.items()}
    return [SampleInput(item_id, parts=dict(found)) for item_id, found in complete.items() if len(found) == needed]
