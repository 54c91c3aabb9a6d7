"""WAVE, the mapper that needs no centre, as one function: who decides, and from what, is as on the nodes.

A task is placed by its controller, one of its parents, from what the controller's node knows: its own links, and
what candidates say of themselves. `wave_random` draws; `wave_greedy` takes the lowest price. As Jupiter's, with its
known faults mended: a node may keep its tasks, everything is in seconds, promises made are remembered, impossible
nodes are left out, and random is seeded.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np

from mapper.guard import DeadEnd, Guard, guarded
from mapper.problem import FloatArray, Problem
from mapper.ranks import TIE_RATIO
from mapper.result import Objective, Plan
from mapper.schedule import evaluate

FULL_RATIO = 0.99
"""A node that says it is busier than this is taken to have that much left: its own work may be what fills it."""
MEMORY_CALM_RATIO = 0.8
"""Memory in use below this costs nothing; above, the price rises as what is left shrinks."""

Choose = Callable[[int, int | None, Sequence[int]], list[int]]
"""(task, its controller's node if it has one, the placed part of the mapping) to nodes, best first."""
Promise = Callable[[int, int | None, int], None]
"""(task, its controller's node, the node it goes to): told of every choice."""


def controllers(problem: Problem) -> tuple[int | None, ...]:
    """Per task the parent that places it; None for a source, which home places.

    Tasks in sorted-name order: the only parent; of several, the first that already controls a task, else the first.
    """
    chosen: list[int | None] = [None] * len(problem.tasks)
    controlling: set[int] = set()
    for task in sorted(range(len(problem.tasks)), key=lambda index: problem.tasks[index]):
        parents = [problem.edges[e].source for e in problem.incoming[task]]
        if parents:
            chosen[task] = next((parent for parent in parents if parent in controlling), parents[0])
            controlling.add(chosen[task] or 0)
    return tuple(chosen)


def solve_random(problem: Problem, *, objective: Objective, seed: int) -> Plan:
    del objective

    def run(guard: Guard) -> tuple[int, ...]:
        draw = random.Random(seed)

        def choose(task: int, _: int | None, __: Sequence[int]) -> list[int]:
            nodes: list[int] = problem.allowed[task].nonzero()[0].tolist()
            return draw.sample(nodes, len(nodes))

        return _place(problem, guard, choose, lambda *_: None)

    return Plan(evaluate(problem, guarded(problem, run)), f"every task on a random node, seed {seed}")


def solve_greedy(problem: Problem, *, objective: Objective, seed: int) -> Plan:
    del objective, seed

    def run(guard: Guard) -> tuple[int, ...]:
        prices = _Prices(problem)
        return _place(problem, guard, prices.choose, prices.promise)

    return Plan(evaluate(problem, guarded(problem, run)), "each parent's node placed its children at the lowest price")


def _place(problem: Problem, guard: Guard, choose: Choose, promise: Promise) -> tuple[int, ...]:
    chosen_by = controllers(problem)
    assignment = [-1] * len(problem.tasks)
    for task in problem.topological:
        controller = chosen_by[task]
        here = None if controller is None else assignment[controller]
        for node in choose(task, here, assignment):
            if (here is None or problem.linked[here, node]) and guard.accepts(task, node):
                assignment[task] = node
                promise(task, here, node)
                break
        else:
            raise DeadEnd(task)
    return tuple(assignment)


class _Prices:
    """price = transfer from here + work promised from here + execution, slower the fuller the candidate is."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._promised_s: dict[int | None, FloatArray] = {}
        busy = np.minimum([load.busy_cores_ratio for load in problem.load], FULL_RATIO)
        memory = np.minimum([load.memory_ratio for load in problem.load], FULL_RATIO)
        tight = np.maximum(0.0, (memory - MEMORY_CALM_RATIO) / (1 - memory))
        self._slowdown = 1 / (1 - busy) + tight
        self._per_byte_s = np.where(problem.linked, problem.inverse_bandwidth_s_per_byte, 0.0)

    def choose(self, task: int, here: int | None, assignment: Sequence[int]) -> list[int]:
        problem = self._problem
        promised_s = self._promised_s.setdefault(here, np.zeros(len(problem.nodes)))
        price_s = problem.compute_s[task] * self._slowdown + promised_s
        if here is not None:
            incoming = [problem.edges[e] for e in problem.incoming[task]]
            size_bytes = sum(edge.size_bytes for edge in incoming if assignment[edge.source] == here)
            price_s += size_bytes * self._per_byte_s[here] + problem.latency_s[here]
        price_s[price_s <= price_s.min() * (1 + TIE_RATIO)] = price_s.min()
        nodes: list[int] = np.argsort(price_s, kind="stable").tolist()
        return nodes[: int(np.isfinite(price_s).sum())]

    def promise(self, task: int, here: int | None, node: int) -> None:
        self._promised_s[here][node] += float(self._problem.exec_s[task, node]) / self._problem.cores[node]
