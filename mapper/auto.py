"""A portfolio: every heuristic maps, the one evaluator judges, the best under the objective asked for wins.

No list scheduler is best everywhere (Coleman, Krishnamachari, PISA: an adversarial approach to comparing task graph
scheduling algorithms, 2024); the best of several is never worse than any of them. Equal ones are told apart by the
other objective, then by their place in the list. Where the makespan counts, the best is improved upon: exactly where
the graph is small, by moving single tasks where it is not too large.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mapper import cpop, exact_makespan, heft, heft_lookahead, peft, throughput
from mapper.climb import PLACEMENTS, climb
from mapper.period import period
from mapper.problem import Problem
from mapper.ranks import TIE_RATIO
from mapper.result import Asked, Objective, Plan
from mapper.schedule import Schedule, evaluate

LOOKAHEAD_LIMIT = 20_000
"""Lookahead is tried up to this many (edge, node, node) triples: beyond it costs more than all the others."""
EXACT_TASKS = 16
EXACT_STEPS = 4_000
EVALUATIONS_WORTH_IT = 100
"""Where the budget of climbing allows fewer, it is not begun."""


def solve(problem: Problem, asked: Asked) -> Plan:
    members, is_truncated = _schedules(problem, asked)
    winner = _best(problem, members, asked.objective)
    why = f"{winner} has the least {asked.objective} of {', '.join(members)}"
    schedule = members[winner]
    if asked.objective == "makespan":
        schedule, said = _improved(problem, schedule, asked)
        why += said
    return Plan(schedule, why + (", truncated by the time limit" if is_truncated else ""), is_truncated)


def _schedules(problem: Problem, asked: Asked) -> tuple[dict[str, Schedule], bool]:
    members = {"heft": heft.schedule(problem), "peft": peft.schedule(problem), "cpop": cpop.schedule(problem)}
    if len(problem.edges) * len(problem.nodes) ** 2 <= LOOKAHEAD_LIMIT:
        members["heft_lookahead"] = heft_lookahead.schedule(problem)
    total_s = problem.compute_s.sum(axis=0)
    if np.isfinite(total_s.min()):
        members["one node"] = evaluate(problem, (int(total_s.argmin()),) * len(problem.tasks))
    found = throughput.best(problem, asked)
    members["throughput"] = evaluate(problem, found.assignment)
    if not asked.is_order_kept:
        members = {name: evaluate(problem, schedule.assignment) for name, schedule in members.items()}
    return members, found.is_truncated


def _best(problem: Problem, members: Mapping[str, Schedule], objective: Objective) -> str:
    scores = {name: _score(problem, schedule, objective) for name, schedule in members.items()}
    for place in (0, 1):
        least = min(score[place] for score in scores.values())
        scores = {name: score for name, score in scores.items() if score[place] <= least * (1 + TIE_RATIO)}
    return next(iter(scores))


def _score(problem: Problem, schedule: Schedule, objective: Objective) -> tuple[float, float]:
    makespan_s, period_s = schedule.makespan_s, period(problem, schedule.assignment).period_s
    return (makespan_s, period_s) if objective == "makespan" else (period_s, makespan_s)


def _improved(problem: Problem, schedule: Schedule, asked: Asked) -> tuple[Schedule, str]:
    """A schedule that is no later, and what to say of it."""
    count = len(problem.tasks)
    better = schedule
    if count <= EXACT_TASKS:
        better, is_proven = exact_makespan.best_makespan(problem, schedule, EXACT_STEPS)
        if better is not schedule and not asked.is_order_kept:
            in_any_order_s, better = better.makespan_s, evaluate(problem, better.assignment)
            is_proven &= better.makespan_s <= in_any_order_s * (1 + TIE_RATIO)
            better = min(schedule, better, key=lambda found: found.makespan_s)
        if is_proven:
            return (
                better,
                "; no mapping has a smaller one" if better is schedule else ", searched to the least there is",
            )
    if PLACEMENTS // count >= EVALUATIONS_WORTH_IT:
        better = climb(problem, better)
    return better, "" if better is schedule else ", improved by moving single tasks"
