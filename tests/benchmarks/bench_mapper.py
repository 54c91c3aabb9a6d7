"""How long mapping takes. Run it from the repository: `python tests/benchmarks/bench_mapper.py [MAPPER...]`.

Layered graphs with unrelated execution times and asymmetric links. The first table is what matters: HEFT and the
throughput mapper within their bounds, beside a textbook HEFT in plain Python in the same run. Then, for those named
(default: all), every mapper. Milliseconds of CPU time, the best of several runs: other processes of the machine cost
wall-clock time, which says nothing of the mapper.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from mapper import warm
from mapper.explain import explain
from mapper.problem import Problem
from mapper.registry import MAPPERS, solve
from mapper.result import Asked
from tests.benchmarks import plain_heft
from tests.benchmarks.graphs import layered

BOUNDS_MS = {
    (50, 10): (1.5, 50.0),
    (100, 10): (3.0, 100.0),
    (500, 20): (15.0, 250.0),
    (1000, 50): (30.0, 500.0),
    (5000, 200): (500.0, 5000.0),
}
"""Tasks and nodes to what HEFT and the throughput mapper may take."""
WARM_BOUND_MS = 5.0
EXPLAIN_BOUND_MS = 300.0
SIZES = ((10, 3), (50, 10), (100, 10), (500, 20), (1000, 50))
SLOW_S = 5.0
"""A mapper that took longer is not tried on the next size."""


def best_ms(call: Callable[[], object], budget_s: float = 0.5) -> float:
    """The shortest of at least two runs (or of one that took very long)."""
    best, spent = float("inf"), 0.0
    while spent < budget_s or best == float("inf"):
        start = time.process_time()
        call()
        took = time.process_time() - start
        best, spent = min(best, took), spent + took
    return best * 1e3


def bounds() -> bool:
    """The table with the bounds; whether all are kept."""
    print("| tasks x nodes | heft | plain HEFT | ratio | throughput |\n|---|---|---|---|---|")
    kept = True
    for size, (heft_ms, throughput_ms) in BOUNDS_MS.items():
        form = layered(*size, seed=1)
        problem = Problem.from_form(form)
        took = [best_ms(lambda name=name, problem=problem: solve(problem, name)) for name in ("heft", "throughput")]
        plain_ms = best_ms(lambda form=form: plain_heft.schedule(form))
        cells = [
            f"{took[0]:.2f} ms (≤ {heft_ms:g})",
            f"{plain_ms:.2f} ms",
            f"{plain_ms / took[0]:.1f} x",
            f"{took[1]:.1f} ms (≤ {throughput_ms:g})",
        ]
        print(f"| {size[0]} x {size[1]} | {' | '.join(cells)} |", flush=True)
        kept &= took[0] <= heft_ms and took[1] <= throughput_ms
    return kept


def again() -> bool:
    """A warm re-map after one node's times changed, the new problem included."""
    problem = Problem.from_form(layered(50, 10, seed=1))
    start = solve(problem, "throughput").schedule.assignment
    exec_s = problem.exec_s.copy()
    exec_s[:, start[0]] *= 1.7

    def remap() -> None:
        warm.solve(replace(problem, exec_s=exec_s), Asked(), start)

    took_ms = best_ms(remap)
    print(f"\nwarm re-map, 50 x 10, one node slower: {took_ms:.2f} ms (≤ {WARM_BOUND_MS:g})")
    return took_ms <= WARM_BOUND_MS


def explained() -> bool:
    """What every task would be worth on every other node."""
    problem = Problem.from_form(layered(200, 10, seed=1))
    assignment = solve(problem, "throughput").schedule.assignment
    took_ms = best_ms(lambda: explain(problem, assignment, "makespan"))
    print(f"explained, 200 x 10: {took_ms:.0f} ms (≤ {EXPLAIN_BOUND_MS:g})")
    return took_ms <= EXPLAIN_BOUND_MS


def every(names: list[str]) -> None:
    columns = " | ".join(f"{tasks} x {nodes}" for tasks, nodes in SIZES)
    print(f"\n| | {columns} |\n|---{'|---' * len(SIZES)}|")
    for missing in (0.0, 0.1):
        forms = [layered(*size, seed=1, missing_links_ratio=missing) for size in SIZES]
        problems = [Problem.from_form(form) for form in forms]
        label = f", {missing:.0%} of the links missing" if missing else ""
        read = [f"{best_ms(lambda form=form: Problem.from_form(form)):.2f}" for form in forms]
        print(f"| reading the problem{label} | {' | '.join(read)} |")
        for name in names:
            print(f"| `{name}`{label} | {' | '.join(_cells(name, problems))} |", flush=True)


def _cells(name: str, problems: list[Problem]) -> list[str]:
    cells, took_ms = [], 0.0
    for problem in problems:
        if took_ms > SLOW_S * 1e3:
            cells.append("-")
            continue
        took_ms = best_ms(lambda problem=problem: solve(problem, name))
        cells.append(f"{took_ms:.2f}")
    return cells


def main(names: list[str]) -> int:
    kept = bounds()
    kept &= again()
    kept &= explained()
    every(names or [name for name in MAPPERS if name != "optimal"])
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
