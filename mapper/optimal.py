"""The best mapping there is under the objective, for small graphs: the best of the heuristics, then branch and bound.

For tests and tiny applications. What is not proven within the steps it is given is not the answer: it is refused.
"""

from __future__ import annotations

from mapper import auto, exact, exact_makespan
from mapper.problem import Problem
from mapper.result import Asked, Plan
from mapper.schedule import evaluate
from runtime.errors import UsageError

STEPS = 300_000
LARGEST_GRAPH = 30
"""Beyond this many tasks that have a choice, no search of so few steps ends."""


class TooLargeError(UsageError):
    """The search for the best mapping would not end."""


def solve(problem: Problem, asked: Asked) -> Plan:
    count = int((problem.allowed.sum(axis=1) > 1).sum())
    if count > LARGEST_GRAPH:
        raise TooLargeError(f"optimal: {count} tasks have a choice of nodes, at most {LARGEST_GRAPH} can; use auto")
    schedule = auto.solve(problem, asked).schedule
    if asked.objective == "makespan":
        schedule, is_proven = exact_makespan.best_makespan(problem, schedule, STEPS)
    else:
        assignment, is_proven = exact.best_period(problem, schedule.assignment, STEPS)
        if assignment != schedule.assignment:
            schedule = evaluate(problem, assignment)
    if not is_proven:
        raise TooLargeError(
            f"optimal: {count} tasks on {len(problem.nodes)} nodes are too many: nothing is proven after {STEPS:,} "
            "steps; use auto"
        )
    return Plan(schedule, "no mapping is better")
