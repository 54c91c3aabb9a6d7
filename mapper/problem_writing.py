"""Writes a mapping problem in its JSON form, optional keys only where they are not the default."""

from __future__ import annotations

import math
import sys
from typing import Any

from mapper.problem import Edge, FloatArray, NodeLoad, Problem


def write(problem: Problem) -> dict[str, Any]:
    """The form of a problem; reading it gives the same problem, bandwidths to the last bit but one."""
    tasks, nodes = problem.tasks, problem.nodes
    form: dict[str, Any] = {
        "tasks": list(tasks),
        "nodes": list(nodes),
        "exec_s": {task: _finite_row(row, nodes) for task, row in zip(tasks, problem.exec_s, strict=True)},
        "edges": [_edge_form(problem, edge) for edge in problem.edges],
        "links": {node: _link_row(problem, index) for index, node in enumerate(nodes)},
        "pins": dict(problem.pins),
    }
    named = (
        ("cores", nodes, problem.cores),
        ("replicas", tasks, problem.replicas),
        ("rates", tasks, problem.rates),
    )
    for key, names, values in named:
        if table := {name: value for name, value in zip(names, values, strict=True) if value != 1}:
            form[key] = table
    loaded = [(node, load) for node, load in zip(nodes, problem.load, strict=True) if load != NodeLoad()]
    if loaded:
        keys = ("busy_cores_ratio", "memory_ratio")
        form["load"] = {node: {key: getattr(load, key) for key in keys} for node, load in loaded}
    busy = {node: [list(pair) for pair in pairs] for node, pairs in zip(nodes, problem.busy, strict=True) if pairs}
    if busy:
        form["busy"] = busy
    if problem.release_s:
        form["release_s"] = problem.release_s
    return form


def _finite_row(row: FloatArray, names: tuple[str, ...]) -> dict[str, float]:
    return {name: value for name, value in zip(names, row.tolist(), strict=True) if math.isfinite(value)}


def _edge_form(problem: Problem, edge: Edge) -> dict[str, Any]:
    form = {
        "source": problem.tasks[edge.source],
        "target": problem.tasks[edge.target],
        "bytes": edge.size_bytes,
    }
    return form if edge.rate is None else {**form, "rate": edge.rate}


def _link_row(problem: Problem, source: int) -> dict[str, dict[str, float]]:
    row = {}
    for target in problem.linked[source].nonzero()[0].tolist():
        if target != source:
            row[problem.nodes[target]] = {
                "latency_s": float(problem.latency_s[source, target]),
                "bandwidth_bytes_per_s": _bandwidth(float(problem.inverse_bandwidth_s_per_byte[source, target])),
            }
    return row


def _bandwidth(inverse_s_per_byte: float) -> float:
    """JSON has no infinity, so a path that costs nothing per byte is the fastest that can be written."""
    return 1.0 / inverse_s_per_byte if inverse_s_per_byte > 1.0 / sys.float_info.max else sys.float_info.max
