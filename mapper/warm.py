"""Mapping again from a mapping that is in force, after a little has changed: milliseconds instead of a search.

Under the period, local search from what is there. Under the makespan, HEFT, which is as fast, against what is there.
What this cannot see (a better mapping that is far away) the full search finds, when there is time for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from mapper import heft
from mapper.problem import Problem
from mapper.ranks import TIE_RATIO
from mapper.result import Asked, Plan
from mapper.schedule import Schedule, check_assignment, evaluate
from mapper.search import LocalSearch

SWEEPS = 6
"""Every task is tried so often at most."""


def solve(problem: Problem, asked: Asked, start: Sequence[int]) -> Plan:
    """A mapping that is no worse than `start`, which must be possible; ProblemError when it is not."""
    check_assignment(problem, start)
    if asked.objective == "makespan":
        return Plan(
            _quicker(problem, evaluate(problem, start)), "the mapping in force, or HEFT's where that is quicker"
        )
    search = LocalSearch(problem, SWEEPS * len(problem.tasks), asked.is_late)
    search.descend_from(start)
    return Plan(evaluate(problem, search.best), "the mapping in force, improved by moving single tasks")


def _quicker(problem: Problem, schedule: Schedule) -> Schedule:
    other = heft.schedule(problem)
    return other if other.makespan_s < schedule.makespan_s * (1 - TIE_RATIO) else schedule


def as_it_is(problem: Problem, start: Sequence[int]) -> Plan:
    """The mapping in force itself, under the problem as it is now; ProblemError when it is impossible."""
    return Plan(evaluate(problem, start), "the mapping in force")
