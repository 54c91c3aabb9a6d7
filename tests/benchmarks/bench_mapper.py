"""How long mapping takes. Run it from the repository: `python tests/benchmarks/bench_mapper.py [MAPPER...]`.

Layered graphs with unrelated execution times and asymmetric links; best of several runs, in milliseconds.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from mapper.problem import Problem
from mapper.registry import MAPPERS, solve

SIZES = ((10, 3), (50, 10), (100, 10), (500, 20), (1000, 50), (2000, 100))
SLOW_S = 10.0
"""A mapper that took longer is not tried on the next size."""


def layered(task_count: int, node_count: int, seed: int, missing_links_ratio: float = 0.0) -> dict[str, object]:
    """A problem form: about the square root of `task_count` layers, one to four parents in the one before."""
    draw = random.Random(seed)
    tasks = [f"t{index}" for index in range(task_count)]
    nodes = [f"n{index}" for index in range(node_count)]
    layer_size = max(1, round(task_count**0.5))
    edges = []
    for index in range(layer_size, task_count):
        first = (index // layer_size - 1) * layer_size
        parents = draw.sample(range(first, first + layer_size), min(layer_size, draw.randint(1, 4)))
        edges += [
            {"source": tasks[parent], "target": tasks[index], "bytes": draw.uniform(0, 2e6)}
            for parent in sorted(parents)
        ]
    speeds = [draw.uniform(0.5, 2.0) for _ in nodes]
    cost_s = [draw.uniform(0.5, 1.5) for _ in tasks]
    exec_s = {
        task: {node: cost * draw.uniform(0.5, 1.5) / speed for node, speed in zip(nodes, speeds, strict=True)}
        for task, cost in zip(tasks, cost_s, strict=True)
    }
    links = {
        source: {
            target: {"latency_s": draw.uniform(0.001, 0.02), "bandwidth_bytes_per_s": draw.uniform(5e5, 5e6)}
            for target in nodes
            if target != source and draw.random() >= missing_links_ratio
        }
        for source in nodes
    }
    return {"tasks": tasks, "nodes": nodes, "exec_s": exec_s, "edges": edges, "links": links}


def best_s(call: Callable[[], object], budget_s: float = 1.0) -> float:
    """The shortest of at least two runs (or of one that took very long)."""
    best, spent = float("inf"), 0.0
    while spent < budget_s or best == float("inf"):
        start = time.perf_counter()
        call()
        took = time.perf_counter() - start
        best, spent = min(best, took), spent + took
    return best


def main(names: list[str]) -> None:
    columns = "".join(f"{f'{tasks} x {nodes}':>12}" for tasks, nodes in SIZES)
    print(f"{'milliseconds':<28}{columns}")
    for missing in (0.0, 0.1):
        forms = [layered(*size, seed=1, missing_links_ratio=missing) for size in SIZES]
        problems = [Problem.from_form(form) for form in forms]
        label = f", {missing:.0%} links missing" if missing else ""
        row = "".join(f"{best_s(lambda form=form: Problem.from_form(form)) * 1e3:>12.2f}" for form in forms)
        print(f"{'read' + label:<28}{row}")
        for name in names:
            print(f"{name + label:<28}{''.join(_cells(name, problems))}", flush=True)


def _cells(name: str, problems: list[Problem]) -> list[str]:
    cells, took_s = [], 0.0
    for problem in problems:
        if took_s > SLOW_S:
            cells.append(f"{'-':>12}")
            continue
        took_s = best_s(lambda problem=problem: solve(problem, name))
        cells.append(f"{took_s * 1e3:>12.2f}")
    return cells


if __name__ == "__main__":
    main(sys.argv[1:] or list(MAPPERS))
