"""Reads the JSON form of a mapping problem, as `jupiter map --problem FILE` takes it.

Everything that cannot be taken is reported at once, each with its place: wrong types and unknown names here,
wrong values by the checks of the problem itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from mapper.problem import Edge, FloatArray, NodeLoad, Problem, ProblemError

KEYS = (
    *("tasks", "nodes", "exec_s", "edges", "links", "pins"),
    *("cores", "replicas", "rates", "load", "busy", "release_s"),
)
EDGE_KEYS = dict.fromkeys(("source", "target", "bytes", "rate"), 0)
LINK_KEYS = dict.fromkeys(("latency_s", "bandwidth_bytes_per_s"), 0)
LIKE_RATIO = 0.75
"""How like one of ours another key must be to be a slip of the pen; what else a file says is its own."""


def read(form: Mapping[str, Any]) -> Problem:
    """The problem of a form; raises ProblemError with every fault."""
    if isinstance(form, Mapping) and "problem" in form:
        form = form["problem"]
    if not isinstance(form, Mapping):
        raise ProblemError([f"problem: {form!r:.60} is not an object"])
    if not form.get("tasks") and not form.get("nodes"):
        raise ProblemError(["problem: it has neither tasks nor nodes; it needs a list of names of each, and `exec_s`"])
    reader = _Reader(form)
    if reader.faults:
        raise ProblemError(reader.faults)  # without the names nothing else could be said
    fields = reader.fields()
    try:
        problem = Problem(**fields)
    except ProblemError as error:
        raise ProblemError([*reader.faults, *error.messages]) from None
    if reader.faults:
        raise ProblemError(reader.faults)
    return problem


class _Reader:
    """Collects faults while it reads, so that the user sees all of them at once."""

    def __init__(self, form: Mapping[str, Any]) -> None:
        self.faults: list[str] = []
        self._form = form
        self._tasks = self._names("tasks")
        self._nodes = self._names("nodes")
        self._task_index = {name: index for index, name in enumerate(self._tasks)}
        self._node_index = {name: index for index, name in enumerate(self._nodes)}

    def fields(self) -> dict[str, Any]:
        self._slips()
        latency_s, inverse = self._links()
        return {
            "tasks": self._tasks,
            "nodes": self._nodes,
            "exec_s": self._exec(),
            "edges": self._edges(),
            "latency_s": latency_s,
            "inverse_bandwidth_s_per_byte": inverse,
            "pins": self._pins(),
            "cores": self._per_name("cores", self._nodes, 1.0),
            "replicas": tuple(
                int(count) if count == int(count) else count for count in self._per_name("replicas", self._tasks, 1.0)
            ),
            "rates": self._per_name("rates", self._tasks, 1.0),
            "load": self._load(),
            "busy": self._busy(),
            "release_s": self._number(self._form.get("release_s") or 0.0, "release_s"),
        }

    def _names(self, key: str) -> tuple[str, ...]:
        names = self._form.get(key)
        if not isinstance(names, list | tuple):
            self.faults.append(f"{key}: missing; a list of names is needed")
            return ()
        faulty = [name for name in names if not isinstance(name, str)]
        self.faults += [f"{key}: {name!r} is not a name" for name in faulty]
        return tuple(name for name in names if isinstance(name, str))

    def _slips(self) -> None:
        """A key that is nearly one of ours would be overlooked in silence."""
        for key in self._form:
            if key not in KEYS and (meant := get_close_matches(str(key), KEYS, n=1, cutoff=LIKE_RATIO)):
                self.faults.append(f"{key}: it is not known; {meant[0]} is")

    def _exec(self) -> FloatArray:
        exec_s = np.full((len(self._tasks), len(self._nodes)), math.inf)
        for task, row in self._entries("exec_s", self._task_index):
            place = f"exec_s.{task}"
            for node, value in self._items(row, place, self._node_index):
                if value is not None:
                    seconds = self._number(value, f"{place}.{node}")
                    exec_s[self._task_index[task], self._node_index[node]] = seconds
        return exec_s

    def _edges(self) -> tuple[Edge, ...]:
        raw = self._form.get("edges") or []
        if not isinstance(raw, list | tuple):
            self.faults.append("edges: a list is needed")
            return ()
        edges = []
        for index, entry in enumerate(raw):
            place = f"edges[{index}]"
            if not isinstance(entry, Mapping):
                self.faults.append(f"{place}: {entry!r:.60} is not an object")
                continue
            self._items(entry, place, EDGE_KEYS)
            ends = [self._end(entry, key, place) for key in ("source", "target")]
            size_bytes = self._number(entry.get("bytes", 0), f"{place}.bytes")
            rate = entry.get("rate")
            if rate is not None:
                rate = self._number(rate, f"{place}.rate")
            if ends[0] is not None and ends[1] is not None:
                edges.append(Edge(source=ends[0], target=ends[1], size_bytes=size_bytes, rate=rate))
        return tuple(edges)

    def _end(self, entry: Mapping[str, Any], key: str, place: str) -> int | None:
        name = entry.get(key)
        if isinstance(name, str) and name in self._task_index:
            return self._task_index[name]
        self.faults.append(f"{place}.{key}: there is no task {name}")
        return None

    def _links(self) -> tuple[FloatArray, FloatArray]:
        shape = (len(self._nodes), len(self._nodes))
        latency_s, inverse = np.full(shape, math.inf), np.full(shape, math.inf)
        np.fill_diagonal(latency_s, 0.0)
        np.fill_diagonal(inverse, 0.0)
        for source, row in self._entries("links", self._node_index):
            for target, link in self._items(row, f"links.{source}", self._node_index):
                if link is None or source == target:
                    continue  # no path; and a node needs none to itself
                place = f"links.{source}.{target}"
                if not isinstance(link, Mapping):
                    self.faults.append(f"{place}: {link!r:.60} is not an object")
                    continue
                self._items(link, place, LINK_KEYS)
                pair = self._node_index[source], self._node_index[target]
                latency_s[pair] = self._number(link.get("latency_s", 0), f"{place}.latency_s")
                inverse[pair] = self._inverse_bandwidth(link, f"{place}.bandwidth_bytes_per_s")
        return latency_s, inverse

    def _inverse_bandwidth(self, link: Mapping[str, Any], place: str) -> float:
        bandwidth = self._number(link.get("bandwidth_bytes_per_s"), place)
        if not bandwidth > 0:
            self.faults.append(f"{place}: {bandwidth:g} is not above zero")
            return 1.0
        inverse = 1.0 / bandwidth
        if math.isinf(inverse):
            self.faults.append(f"{place}: {bandwidth:g} is too small to divide by")
            return 1.0
        return inverse

    def _pins(self) -> dict[str, str]:
        pins = {}
        for task, node in self._entries("pins", self._task_index):
            if isinstance(node, str) and node in self._node_index:
                pins[task] = node
            elif node is not None:
                self.faults.append(f"pins.{task}: there is no node {node}")
        return pins

    def _per_name(self, key: str, names: Sequence[str], default: float) -> tuple[float, ...]:
        known = {name: index for index, name in enumerate(names)}
        values = [default] * len(names)
        for name, value in self._entries(key, known):
            if value is not None:
                values[known[name]] = self._number(value, f"{key}.{name}")
        return tuple(values)

    def _load(self) -> tuple[NodeLoad, ...]:
        loads = [NodeLoad()] * len(self._nodes)
        keys = {"busy_cores_ratio": 0, "memory_ratio": 1}
        for node, entry in self._entries("load", self._node_index):
            place = f"load.{node}"
            ratios = {key: self._number(value, f"{place}.{key}") for key, value in self._items(entry, place, keys)}
            loads[self._node_index[node]] = NodeLoad(**ratios)
        return tuple(loads)

    def _busy(self) -> tuple[tuple[tuple[float, float], ...], ...]:
        busy: list[tuple[tuple[float, float], ...]] = [()] * len(self._nodes)
        for node, intervals in self._entries("busy", self._node_index):
            pairs = []
            for index, interval in enumerate(intervals if isinstance(intervals, list | tuple) else [None]):
                place = f"busy.{node}[{index}]"
                if isinstance(interval, list | tuple) and len(interval) == 2:
                    pairs.append((self._number(interval[0], place), self._number(interval[1], place)))
                else:
                    self.faults.append(f"{place}: a pair [start_s, finish_s] is needed")
            busy[self._node_index[node]] = tuple(pairs)
        return tuple(busy)

    def _entries(self, key: str, known: Mapping[str, int]) -> list[tuple[str, Any]]:
        return self._items(self._form.get(key) or {}, key, known)

    def _items(self, table: Any, place: str, known: Mapping[str, int]) -> list[tuple[str, Any]]:
        """The entries with a known name; anything else is a fault."""
        if not isinstance(table, Mapping):
            self.faults.append(f"{place}: {table!r:.60} is not an object")
            return []
        self.faults += [f"{place}.{name}: {name} is not known" for name in table if name not in known]
        return [(name, value) for name, value in table.items() if name in known]

    def _number(self, value: Any, place: str) -> float:
        """A finite float; 1.0 after a fault, so that one fault does not cause others."""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        try:
            number = float(value) if is_number else math.nan
        except OverflowError:  # JSON's whole numbers have no bound
            number = math.inf
        if not math.isfinite(number):
            self.faults.append(f"{place}: {value!r:.60} is not a finite number")
            return 1.0
        return number
