"""What makes a mapping problem a valid one: each fault as `place: what is wrong`, all of them at once.

Places are spelled as in the JSON form (`exec_s.T3.P2`), also for problems that were built from arrays.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mapper.topology import SINK, SOURCE, find_cycle

if TYPE_CHECKING:
    from mapper.problem import Problem

MOST_REPLICAS = 1_000_000
"""More than anybody could start, and a number that arrays of whole numbers hold."""


def messages(problem: Problem) -> list[str]:
    """Every fault, in the order of the form's keys; empty for a valid problem."""
    shape_faults = [*_names(problem), *_shapes(problem)]
    if shape_faults:
        return shape_faults  # without names and shapes the other checks would have nothing to point at
    faults = [
        *_exec(problem),
        *_edges(problem),
        *_ends(problem),
        *_links(problem),
        *_pins(problem),
        *_capacities(problem),
        *_busy(problem),
    ]
    return faults or list(_overflow(problem))


def _names(problem: Problem) -> Iterator[str]:
    for key, names in (("tasks", problem.tasks), ("nodes", problem.nodes)):
        if not names:
            yield f"{key}: empty; at least one is needed"
        seen: set[str] = set()
        for name in names:
            if not isinstance(name, str) or not name.isprintable() or not name:
                yield f"{key}: {name!r} is not a name"  # what cannot be printed cannot be drawn or written either
            elif name in seen:
                yield f"{key}: {name} is there twice"
            else:
                seen.add(name)


def _shapes(problem: Problem) -> Iterator[str]:
    task_count, node_count = len(problem.tasks), len(problem.nodes)
    arrays = {
        "exec_s": (problem.exec_s, (task_count, node_count)),
        "latency_s": (problem.latency_s, (node_count, node_count)),
        "inverse_bandwidth_s_per_byte": (problem.inverse_bandwidth_s_per_byte, (node_count, node_count)),
    }
    for key, (array, shape) in arrays.items():
        if array.shape != shape:
            yield f"{key}: shape {array.shape} where {shape} is needed"
    counts = {
        "cores": (len(problem.cores), node_count),
        "replicas": (len(problem.replicas), task_count),
        "rates": (len(problem.rates), task_count),
        "load": (len(problem.load), node_count),
        "busy": (len(problem.busy), node_count),
    }
    for key, (count, needed) in counts.items():
        if count != needed:
            yield f"{key}: {count} entries where {needed} are needed"
    for index, edge in enumerate(problem.edges):
        if not (0 <= edge.source < task_count and 0 <= edge.target < task_count):
            yield f"edges[{index}]: {edge.source} -> {edge.target} is not between tasks 0 to {task_count - 1}"


def _exec(problem: Problem) -> Iterator[str]:
    yield from _bad_entries(problem.exec_s, "exec_s.{}.{}", problem.tasks, problem.nodes)
    for task in np.flatnonzero(np.isposinf(problem.exec_s).all(axis=1)).tolist():
        yield f"exec_s.{problem.tasks[task]}: no node can run it"


def _edges(problem: Problem) -> Iterator[str]:
    first_index: dict[tuple[int, int], int] = {}
    for index, edge in enumerate(problem.edges):
        place = f"edges[{index}]"
        pair = (edge.source, edge.target)
        yield from _bad_number(edge.size_bytes, f"{place}.bytes")
        if edge.rate is not None:
            yield from _bad_number(edge.rate, f"{place}.rate")
        if pair in first_index:
            path = f"{problem.tasks[edge.source]} -> {problem.tasks[edge.target]}"
            yield f"{place}: {path} is already edges[{first_index[pair]}]"
        first_index.setdefault(pair, index)
    cycle = find_cycle(len(problem.tasks), list(first_index))
    if cycle:
        path = " -> ".join(problem.tasks[task] for task in (*cycle, cycle[0]))
        yield f"edges: {path} is a cycle; tasks must form a directed acyclic graph"


def _ends(problem: Problem) -> Iterator[str]:
    if SOURCE not in problem.tasks and SINK not in problem.tasks:
        return
    for index, edge in enumerate(problem.edges):
        if problem.tasks[edge.target] == SOURCE:
            yield f"edges[{index}]: {SOURCE} is where inputs come from and nothing leads; give the task another name"
        if problem.tasks[edge.source] == SINK:
            yield f"edges[{index}]: {SINK} is where results go and nothing comes from; give the task another name"


def _links(problem: Problem) -> Iterator[str]:
    latency_s, inverse = problem.latency_s, problem.inverse_bandwidth_s_per_byte
    nodes = problem.nodes
    yield from _bad_entries(latency_s, "links.{}.{}.latency_s", nodes, nodes)
    yield from _bad_entries(inverse, "links.{}.{}.inverse_bandwidth_s_per_byte", nodes, nodes)
    for source, target in np.argwhere(np.isposinf(latency_s) != np.isposinf(inverse)).tolist():
        path = f"{problem.nodes[source]}.{problem.nodes[target]}"
        yield f"links.{path}: only one of latency and bandwidth says that there is no path"
    for node in (np.diag(latency_s) + np.diag(inverse)).nonzero()[0].tolist():
        yield f"links.{problem.nodes[node]}.{problem.nodes[node]}: a node reaches itself at no cost"


def _pins(problem: Problem) -> Iterator[str]:
    for task, node in problem.pins.items():
        if task not in problem.tasks:
            yield f"pins.{task}: there is no task {task}"
        elif node not in problem.nodes:
            yield f"pins.{task}: there is no node {node}"
        elif math.isinf(problem.exec_s[problem.tasks.index(task), problem.nodes.index(node)]):
            yield f"pins.{task}: {node} cannot run it (exec_s.{task}.{node} is missing)"


def _capacities(problem: Problem) -> Iterator[str]:
    for node, cores in zip(problem.nodes, problem.cores, strict=True):
        if not (math.isfinite(cores) and cores > 0):
            yield f"cores.{node}: {cores:g} is not above zero"
    for task, replicas in zip(problem.tasks, problem.replicas, strict=True):
        if replicas != int(replicas) or not 1 <= replicas <= MOST_REPLICAS:
            yield f"replicas.{task}: {replicas:g} is not a whole number from 1 to {MOST_REPLICAS}"
    for task, rate in zip(problem.tasks, problem.rates, strict=True):
        yield from _bad_number(rate, f"rates.{task}")
    for node, load in zip(problem.nodes, problem.load, strict=True):
        for key in ("busy_cores_ratio", "memory_ratio"):
            ratio = getattr(load, key)
            if not 0 <= ratio <= 1:
                yield f"load.{node}.{key}: {ratio:g} is not between 0 and 1"


def _busy(problem: Problem) -> Iterator[str]:
    for node, intervals in zip(problem.nodes, problem.busy, strict=True):
        for index, (start_s, finish_s) in enumerate(intervals):
            place = f"busy.{node}[{index}]"
            faults = [*_bad_number(start_s, place), *_bad_number(finish_s, place)]
            yield from faults
            if not faults and finish_s < start_s:
                yield f"{place}: it finishes at {finish_s:g}, before it starts at {start_s:g}"
    yield from _bad_number(problem.release_s, "release_s")


def _overflow(problem: Problem) -> Iterator[str]:
    """The sum of everything must be a number: a schedule is made of such sums."""
    with np.errstate(over="ignore"):
        work_s = np.where(np.isfinite(problem.exec_s), problem.exec_s, 0.0).max(axis=1) * problem.rates
        latency_s = np.where(np.isfinite(problem.latency_s), problem.latency_s, 0.0).max()
        inverse = problem.inverse_bandwidth_s_per_byte
        slowest = np.where(np.isfinite(inverse), inverse, 0.0).max()
        moved_bytes = sum(edge.size_bytes * max(1.0, problem.edge_rate(edge)) for edge in problem.edges)
        busy_s = sum(finish_s for intervals in problem.busy for _, finish_s in intervals)
        total_s = work_s.sum() / min(1.0, *problem.cores) + len(problem.edges) * latency_s
        total_s += moved_bytes * slowest + busy_s + problem.release_s
    if not math.isfinite(total_s):
        yield "exec_s, edges, links: the times are so large that their sum is not a number"


def _bad_entries(
    array: NDArray[np.float64], place: str, rows: tuple[str, ...], columns: tuple[str, ...]
) -> Iterator[str]:
    for row, column in np.argwhere(~(array >= 0)).tolist():
        value = float(array[row, column])
        fault = "is not a number" if math.isnan(value) else "is negative"
        yield f"{place.format(rows[row], columns[column])}: {value:g} {fault}"


def _bad_number(value: float, place: str) -> Iterator[str]:
    if not math.isfinite(value):
        yield f"{place}: {value:g} is not a finite number"
    elif value < 0:
        yield f"{place}: {value:g} is negative"
