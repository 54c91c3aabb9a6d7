"""Every mapper by its name. Another algorithm is one file with a `solve`, and one line here."""

from __future__ import annotations

from typing import Protocol

from mapper import auto, cpop, heft, heft_balanced, lookahead, optimal, peft, throughput, wave
from mapper.period import period
from mapper.problem import Problem
from mapper.result import OBJECTIVES, MappingResult, Objective, Plan
from runtime.errors import UsageError


class Mapper(Protocol):
    """Pure: same problem, objective and seed, same plan. Raises ProblemError when there is none."""

    def __call__(self, problem: Problem, *, objective: Objective, seed: int) -> Plan: ...


MAPPERS: dict[str, Mapper] = {
    "heft": heft.solve,
    "heft_balanced": heft_balanced.solve,
    "cpop": cpop.solve,
    "peft": peft.solve,
    "lookahead": lookahead.solve,
    "wave_random": wave.solve_random,
    "wave_greedy": wave.solve_greedy,
    "throughput": throughput.solve,
    "auto": auto.solve,
    "optimal": optimal.solve,
}

ALIASES: dict[str, str] = {
    "wave": "wave_greedy",
    "heft_duplicate": "heft",
    "heft_dup_no_comm_cost": "heft",
}
"""Names that Jupiter's configuration files use, and what they mean here. Its duplicating HEFT never ran a duplicate:
what it handed on was the mapping of HEFT."""


def find(name: str) -> tuple[str, Mapper]:
    """The mapper's own name and the mapper, also by an alias."""
    own_name = ALIASES.get(name, name)
    if own_name not in MAPPERS:
        known = ", ".join(sorted([*MAPPERS, *ALIASES]))
        raise UsageError(f"there is no mapper {name!r}; the mappers are {known}")
    return own_name, MAPPERS[own_name]


def solve(problem: Problem, mapper_name: str, objective: Objective = "period", *, seed: int = 0) -> MappingResult:
    """Map, and predict what the mapping will do."""
    if objective not in OBJECTIVES:
        raise UsageError(f"there is no objective {objective!r}; the objectives are {', '.join(OBJECTIVES)}")
    algorithm, mapper = find(mapper_name)
    plan = mapper(problem, objective=objective, seed=seed)
    return MappingResult(
        problem=problem,
        algorithm=algorithm,
        objective=objective,
        schedule=plan.schedule,
        period=period(problem, plan.schedule.assignment),
        why=plan.why,
    )
