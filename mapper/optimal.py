"""The best mapping there is under the objective, for small graphs: the best of the heuristics, then branch and bound.

For tests and tiny applications. The number of steps is limited; `why` says whether the answer is proven.
"""

from __future__ import annotations

from mapper import auto, exact, exact_makespan
from mapper.problem import Problem
from mapper.result import Objective, Plan
from mapper.schedule import evaluate

STEPS = 40_000
LARGEST_GRAPH = 60
"""Beyond this many tasks no search of so few steps ends, and the recursion would be deep."""


def solve(problem: Problem, *, objective: Objective, seed: int) -> Plan:
    start = auto.solve(problem, objective=objective, seed=seed)
    schedule = start.schedule
    if len(problem.tasks) > LARGEST_GRAPH:
        return Plan(schedule, f"more than {LARGEST_GRAPH} tasks, so as auto: {start.why}")
    if objective == "makespan":
        schedule, is_proven = exact_makespan.best_makespan(problem, schedule, STEPS)
    else:
        assignment, is_proven = exact.best_period(problem, schedule.assignment, STEPS)
        if assignment != schedule.assignment:
            schedule = evaluate(problem, assignment)
    proof = "no mapping is better" if is_proven else f"the best found in {STEPS} steps, not proven to be the best"
    return Plan(schedule, proof)
