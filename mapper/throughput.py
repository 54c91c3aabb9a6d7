"""Throughput: make the busiest node, worker or link as little busy as possible (the period of `mapper.period`).

Greedy mappings from several orders, local search, and ways out of local optima: a few tasks taken out and placed again
exactly. Small graphs are solved exactly as a whole. The greedy ones are list scheduling with the largest task first
(Graham, Bounds on multiprocessing timing anomalies, SIAM J. Applied Mathematics 17(2), 1969), carried over to links,
and the TPHEFT of JupiterTP (arXiv 2112.13875), which goes by upward rank and looks only at what the task touches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mapper import exact, heft, neighbourhoods
from mapper.guard import DeadEnd, Guard, guarded
from mapper.loads import Addition, Loads
from mapper.period import period
from mapper.problem import FloatArray, Problem
from mapper.ranks import TIE_RATIO, priority_order
from mapper.result import Asked, Plan
from mapper.schedule import evaluate
from mapper.search import LocalSearch, canonical_order

MOVES_PER_TASK = 40
FEWEST_PLACES, MOST_MOVES = 24_000, 9_000
SWEEPS_AT_LEAST = 10
DESCENTS = 2
"""Local search goes down from the best starts only: what is left of the budget does more good afterwards."""
EXACT_TASKS = 16
EXACT_STEPS = 4_000

NodeScore = Callable[[Loads, int, Addition], FloatArray]


@dataclass(frozen=True, slots=True)
class Found:
    """The best mapping found, and how the search ended."""

    assignment: tuple[int, ...]
    is_proven: bool = False
    """It has the least period there is."""
    is_truncated: bool = False


def solve(problem: Problem, asked: Asked) -> Plan:
    """Makes the period small whatever the objective: that is what it is for."""
    found = best(problem, asked)
    why = "the least period there is" if found.is_proven else "the least period that greedy and local search found"
    why += ", truncated by the time limit" if found.is_truncated else ""
    return Plan(evaluate(problem, found.assignment), why, found.is_truncated)


def default_moves(problem: Problem) -> int:
    """A move is a task tried on all nodes: where there are few, more of them cost the same."""
    count = len(problem.tasks)
    fewest = min(MOST_MOVES, FEWEST_PLACES // len(problem.nodes))
    return max(fewest, min(MOST_MOVES, MOVES_PER_TASK * count), SWEEPS_AT_LEAST * count)


def best(problem: Problem, asked: Asked) -> Found:
    """The mapping, within the moves that the options name or the size of the graph asks for."""
    moves = asked.options.moves
    search = LocalSearch(problem, default_moves(problem) if moves is None else moves, asked.is_late)
    starts = list(_starts(problem))
    search.spend(len(starts) * len(problem.tasks))
    for start in sorted(starts, key=lambda start: period(problem, start).period_s)[:DESCENTS]:
        search.descend_from(start)
    if len(problem.tasks) <= EXACT_TASKS:
        exactly, is_proven = exact.best_period(problem, search.best, EXACT_STEPS)
        if is_proven:
            return Found(exactly, is_proven=True)
        search.descend_from(exactly)
    better = neighbourhoods.improve(problem, search.best, search.left, asked.options.seed, search.is_spent)
    return Found(better, is_truncated=search.is_truncated)


def _starts(problem: Problem) -> Iterator[tuple[int, ...]]:
    """Whole mappings to improve on."""
    by_rank = priority_order(problem)
    yield _greedy(problem, canonical_order(problem), _whole_period)
    yield _greedy(problem, by_rank, _whole_period)
    yield heft.schedule(problem).assignment
    yield _greedy(problem, by_rank, Loads.affected_s)
    total_s = Loads(problem).work_s.sum(axis=0)
    if np.isfinite(total_s.min()):
        yield (int(total_s.argmin()),) * len(problem.tasks)


def _whole_period(loads: Loads, task: int, addition: Addition) -> FloatArray:
    return np.maximum(loads.affected_s(task, addition), loads.busiest_s())


def _greedy(problem: Problem, order: Sequence[int], score_of: NodeScore) -> tuple[int, ...]:
    """Each task where the score is least; ties to the node with the least work, then the first declared."""

    def run(guard: Guard) -> tuple[int, ...]:
        loads = Loads(problem)
        for task in order:
            addition = loads.addition(task)
            score = score_of(loads, task, addition)
            node = _least(score, loads.node_s + loads.work_s[task])
            while not guard.accepts(task, node):
                score[node] = np.inf
                node = _least(score, loads.node_s + loads.work_s[task])
                if score[node] == np.inf:
                    raise DeadEnd(task)
            loads.move(task, node, addition)
        return tuple(loads.assignment)

    return guarded(problem, run)


def _least(score: FloatArray, tie_breaker: FloatArray) -> int:
    ties = np.flatnonzero(score <= score.min() * (1 + TIE_RATIO))
    return int(ties[tie_breaker[ties].argmin()])
