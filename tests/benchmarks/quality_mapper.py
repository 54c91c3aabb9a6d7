"""How good the mappings are. Run it from the repository: `python tests/benchmarks/quality_mapper.py [--plot FILE]`.

Small random graphs at three ratios of communication to computation, each mapping against the optimum; and large
graphs on related nodes, where the period is compared with what no mapping can beat.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

sys.path.insert(0, str(Path(__file__).parents[2]))

from mapper.optimal import TooLargeError
from mapper.problem import Problem
from mapper.registry import MAPPERS, solve
from mapper.result import Objective
from tests.benchmarks import graphs

RATIOS = (0.2, 1.0, 5.0)
GRAPHS = 100
SIZES: dict[Objective, tuple[tuple[int, int], ...]] = {"makespan": ((7, 3), (13, 3)), "period": ((8, 3), (16, 4))}
"""The smaller ones `throughput` and `auto` solve exactly, the larger ones they do not."""
LARGE = (1000, 50)


@dataclass(frozen=True)
class Row:
    """One mapper under one objective at one ratio: its costs over the optimum's."""

    objective: Objective
    size: tuple[int, int]
    ratio: float
    mapper: str
    over_optimum: tuple[float, ...]

    @property
    def percentile_95(self) -> float:
        return sorted(self.over_optimum)[int(0.95 * len(self.over_optimum))]


def rows(count: int = GRAPHS) -> Iterator[Row]:
    for objective, size, ratio in (
        (o, size, ratio) for o, sizes in SIZES.items() for size in sizes for ratio in RATIOS
    ):
        problems = [Problem.from_form(graphs.unrelated(*size, ratio, seed)) for seed in range(count)]
        solvable = [(problem, least_s) for problem in problems if (least_s := optimum_s(problem, objective))]
        for name in MAPPERS:
            if name not in ("optimal", "heft_duplicate"):
                found = tuple(cost_s(problem, name, objective) / least_s for problem, least_s in solvable)
                yield Row(objective, size, ratio, name, found)


def optimum_s(problem: Problem, objective: Objective) -> float | None:
    """None where it is not found within the steps of `optimal`."""
    try:
        return cost_s(problem, "optimal", objective)
    except TooLargeError:
        return None


def cost_s(problem: Problem, name: str, objective: Objective) -> float:
    result = solve(problem, name, objective)
    return result.makespan_s if objective == "makespan" else result.period_s


def over_bound(name: str, ratio: float, seed: int) -> float:
    form, bound_s = graphs.related(*LARGE, ratio, seed)
    return solve(Problem.from_form(form), name).period_s / bound_s


def print_small(found: list[Row]) -> None:
    for objective, size in dict.fromkeys((row.objective, row.size) for row in found):
        here = [row for row in found if (row.objective, row.size) == (objective, size)]
        counts = " / ".join(str(len(row.over_optimum)) for row in here if row.mapper == "auto")
        print(f"\n{objective} over the optimum, {counts} graphs of {size[0]} tasks on {size[1]} nodes")
        print(f"| mapper | {' | '.join(f'ratio {ratio:g}: mean (95 %, worst)' for ratio in RATIOS)} |")
        print("|---" * (1 + len(RATIOS)) + "|")
        for name in dict.fromkeys(row.mapper for row in here):
            mine = [row for row in here if row.mapper == name]
            cells = [f"{mean(r.over_optimum):.3f} ({r.percentile_95:.2f}, {max(r.over_optimum):.2f})" for r in mine]
            print(f"| `{name}` | {' | '.join(cells)} |")


def print_large() -> None:
    print(f"\nperiod over Σ cost / Σ speed, {LARGE[0]} tasks on {LARGE[1]} related nodes, three graphs")
    print("| mapper | ratio 0.2 | ratio 1 |\n|---|---|---|")
    for name in ("heft", "throughput", "auto"):
        cells = [f"{max(over_bound(name, ratio, seed) for seed in range(3)):.4f}" for ratio in (0.2, 1.0)]
        print(f"| `{name}` | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw the small graphs' table, as SVG")
    options = parser.parse_args()
    found = list(rows())
    print_small(found)
    print_large()
    if options.plot:
        from tests.benchmarks import quality_plot

        options.plot.write_text(quality_plot.draw(found), encoding="utf-8")


if __name__ == "__main__":
    main()
