"""WAVE, the mapper that needs no centre, as one function of a problem (the agents do it by messages).

Who decides, when, and from what is as on the nodes: `runtime.wave` has the rules. `wave_random` draws; `wave_greedy`
takes the lowest price. Unlike the nodes, this form also sees to it that a choice leaves every later task a node with
the links it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mapper.guard import DeadEnd, Guard, guarded
from mapper.problem import Problem
from mapper.result import Asked, Plan
from mapper.schedule import evaluate
from mapper.topology import SINK, SOURCE
from runtime import wave
from runtime.mapper_options import WaveWeights
from runtime.wave import Offer

Choose = Callable[[int, int | None, Sequence[int]], Sequence[int]]
"""(task, its controller's node if it has one, the placed part of the mapping) to nodes, best first."""
UNPLACED = -1


def controllers(problem: Problem) -> tuple[int | None, ...]:
    """Per task the parent that places it; None for what no other places."""
    index = {name: task for task, name in enumerate(problem.tasks)}
    chosen = wave.controllers(_parents(problem))
    return tuple(index[chosen[task]] if task in chosen else None for task in problem.tasks)


def placing_order(problem: Problem) -> tuple[int, ...]:
    """Tasks as they are placed: home's children and their descendants, then what nobody controls."""
    index = {name: task for task, name in enumerate(problem.tasks)}
    controlled = wave.controllers(_parents(problem))
    names = [problem.tasks[task] for task in problem.topological]
    children = wave.children_of(controlled, names)
    roots = [SOURCE] if SOURCE in index else []
    roots += [name for name in names if name not in controlled and name not in (SOURCE, SINK)]
    order = wave.placing_order(roots, children)
    return tuple(index[name] for name in (*order, *([SINK] if SINK in index else [])))


def _parents(problem: Problem) -> dict[str, list[str]]:
    """The application's graph: what stands for home is no task that somebody places."""
    return {
        name: [problem.tasks[problem.edges[e].source] for e in problem.incoming[task]]
        for task, name in enumerate(problem.tasks)
        if name not in (SOURCE, SINK)
    }


def solve_random(problem: Problem, asked: Asked) -> Plan:
    seed = asked.options.seed

    def choose(task: int, _: int | None, __: Sequence[int]) -> Sequence[int]:
        nodes = [str(node) for node in problem.allowed[task].nonzero()[0].tolist()]
        return [int(node) for node in wave.drawn(seed, problem.tasks[task], nodes)]

    found = guarded(problem, lambda guard: _place(problem, guard, choose, lambda *_: None))
    return Plan(evaluate(problem, found), f"every task on a random node, seed {seed}")


def solve_greedy(problem: Problem, asked: Asked) -> Plan:
    weights = asked.options.wave

    def run(guard: Guard) -> tuple[int, ...]:
        market = _Market(problem, weights)
        return _place(problem, guard, market.choose, market.promise)

    price = "Jupiter's own price" if weights.legacy else "the lowest price"
    return Plan(evaluate(problem, guarded(problem, run)), f"each parent's node placed its children at {price}")


def _place(problem: Problem, guard: Guard, choose: Choose, promise: Callable[[int, int], None]) -> tuple[int, ...]:
    chosen_by = controllers(problem)
    assignment = [UNPLACED] * len(problem.tasks)
    for task in placing_order(problem):
        controller = chosen_by[task]
        here = None if controller is None else assignment[controller]
        for node in choose(task, here, assignment):
            if (here is None or problem.linked[here, node]) and guard.accepts(task, node):
                assignment[task] = node
                promise(task, node)
                break
        else:
            raise DeadEnd(task)
    return tuple(assignment)


class _Market:
    """What the nodes would offer, and what they have promised so far."""

    def __init__(self, problem: Problem, weights: WaveWeights) -> None:
        self._problem, self._weights = problem, weights
        self._promised_s = [0.0] * len(problem.nodes)

    def choose(self, task: int, here: int | None, assignment: Sequence[int]) -> Sequence[int]:
        problem = self._problem
        nodes = [
            node for node in problem.allowed[task].nonzero()[0].tolist() if here is None or problem.linked[here, node]
        ]
        incoming = [problem.edges[e] for e in problem.incoming[task]]
        size_bytes = sum(edge.size_bytes for edge in incoming if assignment[edge.source] == here)
        offers = [
            Offer(
                node=str(node),
                exec_s=float(problem.exec_s[task, node]),
                busy_cores_ratio=problem.load[node].busy_cores_ratio,
                memory_ratio=problem.load[node].memory_ratio,
                promised_s=self._promised_s[node],
            )
            for node in nodes
        ]
        delays_s = {str(node): 0.0 if here is None else problem.transfer_s(size_bytes, here, node) for node in nodes}
        found = wave.prices(self._weights, offers, delays_s, None if here is None else str(here))
        return [int(node) for node in found]

    def promise(self, task: int, node: int) -> None:
        self._promised_s[node] += float(self._problem.exec_s[task, node]) / self._problem.cores[node]
