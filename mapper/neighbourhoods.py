"""Large neighbourhood search on the period: take some tasks out of a good mapping and place them again exactly.

(Shaw, Using constraint programming and local search methods to solve vehicle routing problems, CP 1998.) The tasks
taken out are those that make the busiest node or link busy, and others that exchange data with them. When that has
not helped for a while, the search goes on from the best mapping with a few tasks somewhere else (iterated local
search: Lourenço, Martin, Stützle, in Handbook of Metaheuristics, 2003).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np

from mapper.exact import PeriodSearch
from mapper.problem import Problem
from mapper.ranks import TIE_RATIO
from mapper.search import canonical_order

SIZES = (4, 6, 8, 10)
STEPS = 300
STAY_CLOSE = 0.6
"""How often the next task to take out is a neighbour of one that is out already."""
PATIENCE = 8
"""Neighbourhoods in a row without a better mapping."""
KICKED = 3
NODES_PER_MOVE = 16
"""A step looks at nodes one by one, a move at all of them at once: on many nodes a step counts for several moves."""


def improve(
    problem: Problem, start: Sequence[int], moves: int, seed: int, is_late: Callable[[], bool]
) -> tuple[int, ...]:
    """A mapping that is no worse, within the moves (a step of the search is a move: a task tried on all nodes)."""
    draw = random.Random(seed)
    order = canonical_order(problem)
    movable = [task for task in order if problem.allowed[task].sum() > 1]
    place = {task: index for index, task in enumerate(order)}
    search = PeriodSearch(problem, start)
    best, best_s, fruitless = search.best, search.period_s(), 0
    price = 1 + len(problem.nodes) // NODES_PER_MOVE
    can_move = set(movable)
    while moves > 0 and movable and not is_late():
        if fruitless == PATIENCE:
            search.start_from(_kicked(problem, search, best, movable, draw))
            fruitless = 0
        busiest = sorted((task for task in search.busiest() if task in can_move), key=place.__getitem__)
        free = _taken_out(search, busiest, movable, can_move, place, draw)
        before = search.best
        search.improve(free, min(STEPS, moves))
        used = min(STEPS, moves) - max(0, search.steps_left)
        moves -= price * (used + len(free))
        fruitless = fruitless + 1 if search.best is before else 0
        if search.period_s() < best_s * (1 - TIE_RATIO):
            best, best_s = search.best, search.period_s()
    return best


def _kicked(
    problem: Problem, search: PeriodSearch, best: Sequence[int], movable: Sequence[int], draw: random.Random
) -> list[int]:
    """The best mapping with a few tasks on other nodes that have paths to their neighbours."""
    kicked = list(best)
    for task in draw.sample(movable, min(KICKED, len(movable))):
        nodes = [
            node
            for node in np.argsort(problem.compute_s[task], kind="stable").tolist()  # whatever their names and order
            if problem.allowed[task, node]
            and all(
                problem.linked[kicked[other], node] if is_parent else problem.linked[node, kicked[other]]
                for other, is_parent, _ in search.flows[task]
            )
        ]
        kicked[task] = draw.choice(nodes)
    return kicked


def _taken_out(
    search: PeriodSearch,
    busiest: Sequence[int],
    movable: Sequence[int],
    can_move: set[int],
    place: dict[int, int],
    draw: random.Random,
) -> list[int]:
    size = min(draw.choice(SIZES), len(movable))
    free = draw.sample(busiest, min(len(busiest), size // 2)) or [draw.choice(movable)]
    while len(free) < size:
        close: list[int] = []
        if draw.random() < STAY_CLOSE:
            others = {other for task in free for other, _, _ in search.flows[task]} & can_move
            close = sorted(others - set(free), key=place.__getitem__)
        free.append(draw.choice(close or [task for task in movable if task not in free]))
    return free
