"""Mapping problems with published answers, and small ones made for one question each.

Transfer times of the published problems are stated in the same unit as execution times, so here a byte takes a
second. Their figures were typed in from the papers' tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mapper.problem import Problem

NODES = ("P1", "P2", "P3")

# H. Topcuoglu, S. Hariri, M.-Y. Wu: Performance-effective and low-complexity task scheduling for heterogeneous
# computing. IEEE Transactions on Parallel and Distributed Systems 13(3), 2002, figure 2.
TOPCUOGLU_EXEC_S = (
    (14, 16, 9),
    (13, 19, 18),
    (11, 13, 19),
    (13, 8, 17),
    (12, 13, 10),
    (13, 16, 9),
    (7, 15, 11),
    (5, 11, 14),
    (18, 12, 20),
    (21, 7, 16),
)
TOPCUOGLU_BYTES = {
    (1, 2): 18,
    (1, 3): 12,
    (1, 4): 9,
    (1, 5): 11,
    (1, 6): 14,
    (2, 8): 19,
    (2, 9): 16,
    (3, 7): 23,
    (4, 8): 27,
    (4, 9): 23,
    (5, 9): 13,
    (6, 8): 15,
    (7, 10): 17,
    (8, 10): 11,
    (9, 10): 13,
}
TOPCUOGLU_UPWARD_RANK = (108, 77, 80, 80, 69, 63.333, 42.667, 35.667, 44.333, 14.667)
TOPCUOGLU_DOWNWARD_RANK = (0, 31, 25, 22, 24, 27, 62.333, 66.667, 63.667, 93.333)

# H. Arabnejad, J. G. Barbosa: List scheduling algorithm for heterogeneous systems by an optimistic cost table. IEEE
# Transactions on Parallel and Distributed Systems 25(3), 2014, figure 2.
ARABNEJAD_EXEC_S = (
    (22, 21, 36),
    (22, 18, 18),
    (32, 27, 43),
    (7, 10, 4),
    (29, 27, 35),
    (26, 17, 24),
    (14, 25, 30),
    (29, 23, 36),
    (15, 21, 8),
    (13, 16, 33),
)
ARABNEJAD_BYTES = {
    (1, 2): 17,
    (1, 3): 31,
    (1, 4): 29,
    (1, 5): 13,
    (1, 6): 7,
    (2, 8): 3,
    (2, 9): 30,
    (3, 7): 16,
    (4, 8): 11,
    (4, 9): 7,
    (5, 9): 57,
    (6, 8): 5,
    (7, 10): 9,
    (8, 10): 42,
    (9, 10): 7,
}


def topcuoglu2002() -> Problem:
    return _published(TOPCUOGLU_EXEC_S, TOPCUOGLU_BYTES)


def arabnejad2014() -> Problem:
    return _published(ARABNEJAD_EXEC_S, ARABNEJAD_BYTES)


def _published(exec_s: Sequence[Sequence[float]], sizes: Mapping[tuple[int, int], float]) -> Problem:
    rows = {f"T{number}": dict(zip(NODES, row, strict=True)) for number, row in enumerate(exec_s, start=1)}
    edges = [(f"T{source}", f"T{target}", size) for (source, target), size in sizes.items()]
    return Problem.from_form(form(rows, edges))


def form(
    exec_s: Mapping[str, Mapping[str, Any]],
    edges: Sequence[tuple[str, str, float]] = (),
    *,
    nodes: Sequence[str] = NODES,
    links: Mapping[str, Mapping[str, Any]] | None = None,
    **optional: Any,
) -> dict[str, Any]:
    """A problem form; all links there at a byte per second, unless `links` says otherwise."""
    return {
        "tasks": list(exec_s),
        "nodes": list(nodes),
        "exec_s": exec_s,
        "edges": [{"source": source, "target": target, "bytes": size} for source, target, size in edges],
        "links": full_links(nodes) if links is None else links,
        **optional,
    }


def full_links(
    nodes: Sequence[str], latency_s: float = 0.0, bandwidth_bytes_per_s: float = 1.0
) -> dict[str, dict[str, dict[str, float]]]:
    link = {"latency_s": latency_s, "bandwidth_bytes_per_s": bandwidth_bytes_per_s}
    return {source: {target: dict(link) for target in nodes if target != source} for source in nodes}


def problem(*args: Any, **kwargs: Any) -> Problem:
    return Problem.from_form(form(*args, **kwargs))


def sparse() -> Problem:
    """Twelve tasks on a ring of five nodes that reach only the next two; ends are pinned to the first node."""
    nodes = [f"N{index}" for index in range(5)]
    links = {
        nodes[index]: {
            nodes[(index + step) % 5]: {"latency_s": 0.1 * step, "bandwidth_bytes_per_s": 4.0 + index}
            for step in (1, 2)
        }
        for index in range(5)
    }
    tasks = [f"S{index}" for index in range(12)]
    rows = {
        task: {
            node: 1.0 + (7 * place + 3 * spot) % 5 for spot, node in enumerate(nodes) if (place + spot) % 4 or not spot
        }
        for place, task in enumerate(tasks)
    }
    edges = [
        (tasks[place], tasks[child], 3.0 + place)
        for place in range(11)
        for child in sorted({place + 1, min(place + 3, 11)})
    ]
    return problem(rows, edges, nodes=nodes, links=links, pins={"S0": "N0", "S11": "N0"})
