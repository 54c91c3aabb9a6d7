"""Every mapper by its name. Another one is a file with a `solve`, a line here, and its name in `mapper_options`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mapper import auto, cpop, heft, heft_balanced, heft_duplicate, heft_lookahead, optimal, peft, throughput, wave
from mapper.period import period
from mapper.problem import Problem
from mapper.result import Asked, MappingResult, Objective, Plan, as_objective
from mapper.schedule import evaluate
from runtime.errors import UsageError
from runtime.mapper_options import MAPPER_ALIASES, MapperOptions


class Mapper(Protocol):
    """Pure: same problem and same question, same plan. Raises ProblemError when there is none."""

    def __call__(self, problem: Problem, asked: Asked) -> Plan: ...


MAPPERS: dict[str, Mapper] = {
    "heft": heft.solve,
    "heft_balanced": heft_balanced.solve,
    "heft_duplicate": heft_duplicate.solve,
    "heft_lookahead": heft_lookahead.solve,
    "peft": peft.solve,
    "cpop": cpop.solve,
    "wave_random": wave.solve_random,
    "wave_greedy": wave.solve_greedy,
    "throughput": throughput.solve,
    "auto": auto.solve,
    "optimal": optimal.solve,
}


def find(name: str) -> tuple[str, Mapper]:
    """The mapper's own name and the mapper, also by an alias."""
    own_name = MAPPER_ALIASES.get(name, name)
    if own_name not in MAPPERS:
        known = ", ".join(sorted([*MAPPERS, *MAPPER_ALIASES]))
        raise UsageError(f"there is no mapper {name!r}; the mappers are {known}")
    return own_name, MAPPERS[own_name]


def solve(
    problem: Problem,
    mapper_name: str,
    objective: Objective = "period",
    *,
    options: MapperOptions = MapperOptions(),  # noqa: B008 - frozen
    is_order_kept: bool = True,
    clock: Callable[[], float] | None = None,
) -> MappingResult:
    """Map, and predict what the mapping will do. A time limit in the options needs a clock."""
    objective = as_objective(objective)
    algorithm, mapper = find(mapper_name)
    is_late = None
    if options.limit_s is not None and clock is not None:
        end_s = clock() + options.limit_s

        def is_late() -> bool:
            return clock() >= end_s

    asked = Asked(objective=objective, options=options, is_order_kept=is_order_kept, is_late=is_late)
    plan = mapper(problem, asked)
    return judged(problem, algorithm, objective, plan)


def judged(problem: Problem, algorithm: str, objective: Objective, plan: Plan) -> MappingResult:
    """A plan with what it will do."""
    return MappingResult(
        problem=problem,
        algorithm=algorithm,
        objective=objective,
        schedule=plan.schedule,
        period=period(problem, plan.schedule.assignment),
        why=plan.why,
        truncated=plan.truncated,
    )


def again(problem: Problem, found: MappingResult) -> MappingResult:
    """The same mapping under other circumstances, judged as any that is only told by its nodes, however it was found.

    A mapper may know an order of the tasks in which one item is done sooner; nobody who runs the mapping knows it.
    """
    schedule = evaluate(problem, found.schedule.assignment)
    return judged(problem, found.algorithm, found.objective, Plan(schedule, found.why, found.truncated))
