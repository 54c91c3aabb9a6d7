"""Throughput: make the busiest node, worker or link as little busy as possible (the period of `mapper.period`).

Greedy mappings from several orders, local search, and kicks out of local optima; small graphs are solved exactly. The
greedy one is list scheduling with the largest task first (Graham, Bounds on multiprocessing timing anomalies, SIAM J.
Applied Mathematics 17(2), 1969), carried over to links. Effort is counted in moves and not in seconds, so the
answer depends on nothing but the problem and the seed, unless a time limit is asked for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mapper import exact, heft
from mapper.guard import DeadEnd, Guard, guarded
from mapper.loads import Addition, Loads
from mapper.problem import FloatArray, Problem
from mapper.ranks import TIE_RATIO, priority_order
from mapper.result import Asked, Plan
from mapper.schedule import evaluate

MOVES = 8_000
"""Moves that are tried: one is a task, tried on all nodes."""
KICKS = 150
KICKED_TASKS = 4
DOUBLINGS = (3, 5)
"""Local search makes the sum of loads to a power small: to the 8th the crowd of high ones, to the 32nd the highest."""
EXACT_TASKS = 12
EXACT_STEPS = 1_500
LARGEST_RATIO = 1e4
"""Loads beyond so many periods count as that many: powers of more would not be numbers."""

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


def best(problem: Problem, asked: Asked, moves: int = MOVES) -> Found:
    """The mapping; within `moves` unless the options say otherwise."""
    chosen = asked.options.moves
    search = _Search(problem, moves if chosen is None else chosen, asked.is_late)
    for start in _starts(problem):
        search.spend(len(problem.tasks))
        search.descend_from(start)
        if search.is_spent(sweeps=3):
            break
    if len(problem.tasks) <= EXACT_TASKS:
        exactly, is_proven = exact.best_period(problem, search.best, EXACT_STEPS)
        if is_proven:
            return Found(exactly, is_proven=True)
        search.descend_from(exactly)
    search.kick(random.Random(asked.options.seed))
    return Found(search.best, is_truncated=search.is_late())


def _starts(problem: Problem) -> Iterator[tuple[int, ...]]:
    """Whole mappings to improve on, the most promising first."""
    work_s = Loads(problem).work_s
    mean_s = np.where(problem.allowed, work_s, 0.0).sum(axis=1) / problem.allowed.sum(axis=1)
    largest_first = sorted(range(len(problem.tasks)), key=lambda task: (-mean_s[task], task))
    by_rank = priority_order(problem)
    yield _greedy(problem, largest_first, _whole_period)
    yield _greedy(problem, by_rank, _whole_period)
    yield heft.schedule(problem).assignment
    total_s = work_s.sum(axis=0)
    if np.isfinite(total_s.min()):
        yield (int(total_s.argmin()),) * len(problem.tasks)
    yield _greedy(problem, by_rank, Loads.affected_s)


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


class _Search:
    """Moves of one task at a time, within a number of them; remembers the best mapping seen."""

    def __init__(self, problem: Problem, moves: int, is_late: Callable[[], bool] | None = None) -> None:
        self._loads = Loads(problem)
        self._movable = np.flatnonzero(problem.allowed.sum(axis=1) > 1).tolist()
        self._left = moves
        self.is_late = is_late or (lambda: False)
        self.best: tuple[int, ...] = ()
        self._best_s = float("inf")

    def is_spent(self, sweeps: int = 0) -> bool:
        """Whether fewer moves are left than so many sweeps need, or there is no time."""
        return self._left <= sweeps * len(self._movable) or self.is_late()

    def spend(self, moves: int) -> None:
        """Count work done elsewhere."""
        self._left -= moves

    def descend_from(self, start: Sequence[int]) -> None:
        self._loads.reset(start)
        self._remember()
        for doublings in DOUBLINGS:
            while self._sweep(doublings):
                self._loads.reset(self._loads.assignment)
            self._remember()

    def kick(self, draw: random.Random) -> None:
        """Move a few tasks at random, descend, keep what is better."""
        for _ in range(KICKS):
            if not self._movable or self.is_spent(sweeps=1) or self._best_s == 0.0:
                return
            self._loads.reset(self.best)
            for task in draw.sample(self._movable, min(KICKED_TASKS, len(self._movable))):
                addition = self._loads.addition(task)
                node = draw.choice(np.flatnonzero(addition.is_possible).tolist())
                self._loads.move(task, node, addition)
            self.descend_from(self._loads.assignment)

    def _remember(self) -> None:
        period_s = self._loads.period_s()
        if period_s < self._best_s * (1 - TIE_RATIO) or not self.best:
            self.best, self._best_s = tuple(self._loads.assignment), period_s

    def _sweep(self, doublings: int) -> bool:
        """Try to move every task once; whether one moved and another sweep is worth it."""
        scale_s = self._loads.period_s()
        has_moved = False
        if scale_s == 0.0:
            return False
        for task in self._movable:
            if self._left <= 0:
                return False
            self._left -= 1
            before = self._loads.assignment[task]
            addition = self._loads.addition(task)
            growth = _growth(self._loads, task, addition, scale_s, doublings)
            node = int(growth.argmin())
            if growth[node] < growth[before] * (1 - TIE_RATIO):
                self._loads.move(task, node, addition)
                has_moved = True
        return has_moved


def _growth(loads: Loads, task: int, addition: Addition, scale_s: float, doublings: int) -> FloatArray:
    """Per node, what the task there adds to the sum of (load / scale) ** (2 ** doublings); inf if impossible."""
    touched_s = loads.touched_s(task, addition)
    raised = np.vstack([loads.worker_s[task], touched_s + addition.seconds, touched_s])
    raised /= scale_s
    np.minimum(raised, LARGEST_RATIO, out=raised)
    for _ in range(doublings):
        raised *= raised
    rows = len(touched_s)
    growth: FloatArray = raised[: rows + 1].sum(axis=0) - raised[rows + 1 :].sum(axis=0)
    growth[~addition.is_possible] = np.inf
    return growth
