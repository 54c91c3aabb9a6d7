"""Branch and bound on the period: over all tasks of a small graph, or over some of a large one.

The search starts from a mapping that is already good and stops after a number of steps, not of seconds, so that
the answer is the same on every machine. Plain lists: on a handful of nodes they are faster than arrays.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np

from mapper.loads import Loads
from mapper.problem import Problem
from mapper.ranks import TIE_RATIO

UNPLACED = -1


class OutOfSteps(Exception):  # noqa: N818 - a signal inside a search
    pass


def best_period(problem: Problem, start: Sequence[int], steps: int) -> tuple[tuple[int, ...], bool]:
    """The best mapping found (`start` unless there is a better one), and whether it is proven to be the best."""
    search = PeriodSearch(problem, start)
    is_proven = search.improve(range(len(problem.tasks)), steps)
    return search.best, is_proven


class PeriodSearch:
    """Depth first over tasks, those first that weigh most; nodes by the period they lead to, then by their work."""

    def __init__(self, problem: Problem, start: Sequence[int]) -> None:
        loads = Loads(problem)
        self._count = len(problem.nodes)
        self._work_s: list[list[float]] = loads.work_s.tolist()
        self._worker_s: list[list[float]] = loads.worker_s.tolist()
        self._least_s: list[float] = loads.work_s.min(axis=1).tolist()
        self._nodes = [row.nonzero()[0].tolist() for row in problem.allowed]
        self._useful_count = int(problem.allowed.any(axis=0).sum())
        per_byte_s = np.where(problem.linked, problem.inverse_bandwidth_s_per_byte, np.inf)
        self._per_byte_s: list[float] = per_byte_s.ravel().tolist()
        is_pair = problem.linked & ~np.eye(self._count, dtype=np.bool_)
        self._mean_per_byte_s = float(per_byte_s[is_pair].mean()) if is_pair.any() else 0.0
        self.flows: list[list[tuple[int, bool, float]]] = [[] for _ in problem.tasks]
        """Per task (neighbour, whether it is a parent, bytes per root input)."""
        for edge in problem.edges:
            flow_bytes = edge.size_bytes * problem.edge_rate(edge)
            self.flows[edge.target].append((edge.source, True, flow_bytes))
            self.flows[edge.source].append((edge.target, False, flow_bytes))
        self._node_s: list[float] = []
        self._link_s: list[float] = []
        self._tasks: list[int] = []
        self._remaining_s: list[float] = []
        self.steps_left = 0
        self.start_from(start)

    def improve(self, free: Collection[int], steps: int) -> bool:
        """Search all places of some tasks, the others staying where they are; whether that came to its end."""
        self.steps_left = steps
        before = self.best, list(self._node_s), list(self._link_s)
        for task in free:
            self._take_away(task)
        self._tasks = self._by_weight(free)
        # Work that is still to come, at best: it has to fit under the period of all nodes together.
        remaining_s = [0.0]
        for task in reversed(self._tasks):
            remaining_s.append(remaining_s[-1] + self._least_s[task])
        self._remaining_s = remaining_s[::-1]
        try:
            self._run(0, self.period_s())
        except OutOfSteps:
            return False
        finally:
            if self.best is before[0]:
                self._assignment, (_, self._node_s, self._link_s) = list(self.best), before
            else:
                self.start_from(self.best)  # counted anew: taking away and adding leaves rounding behind
        return True

    def busiest(self) -> list[int]:
        """The tasks on the busiest node of the best mapping, or at the ends of its busiest link."""
        node_s, link_s = max(self._node_s), max(self._link_s)
        if node_s >= link_s:
            busiest = self._node_s.index(node_s)
            return [task for task, node in enumerate(self.best) if node == busiest]
        source, target = divmod(self._link_s.index(link_s), self._count)
        ends = set()
        for task in [task for task, node in enumerate(self.best) if node == target]:
            parents = [other for other, is_parent, _ in self.flows[task] if is_parent and self.best[other] == source]
            ends |= {task, *parents} if parents else set()
        return sorted(ends)

    # ---- the loads of what is placed

    def start_from(self, assignment: Sequence[int]) -> None:
        """Search around this mapping from here on; it is the best until there is a better one."""
        self.best, self._assignment = tuple(assignment), list(assignment)
        self._node_s, self._link_s = [0.0] * self._count, [0.0] * self._count**2
        for task, node in enumerate(assignment):
            self._node_s[node] += self._work_s[task][node]
            for other, is_parent, flow_bytes in self.flows[task]:
                if is_parent and assignment[other] != node:
                    place = assignment[other] * self._count + node
                    self._link_s[place] += flow_bytes * self._per_byte_s[place]
        self._limit_s = self.period_s() * (1 - TIE_RATIO)

    def _take_away(self, task: int) -> None:
        node, self._assignment[task] = self._assignment[task], UNPLACED
        self._node_s[node] -= self._work_s[task][node]
        for other, is_parent, flow_bytes in self.flows[task]:
            there = self._assignment[other]
            if there not in (UNPLACED, node):
                place = there * self._count + node if is_parent else node * self._count + there
                self._link_s[place] -= flow_bytes * self._per_byte_s[place]

    def period_s(self) -> float:
        """Of what is placed."""
        workers = (row[node] for row, node in zip(self._worker_s, self._assignment, strict=True) if node != UNPLACED)
        period_s: float = max(workers, default=0.0)
        for loads_s in (self._node_s, self._link_s):
            period_s = max(period_s, *loads_s)
        return period_s

    def _by_weight(self, tasks: Collection[int]) -> list[int]:
        """Always the task that adds most for sure: its least work, and what it exchanges with those before it.

        Transfers count at their mean over all links; of equal tasks the one that exchanges most in all comes first.
        """
        weight_s = {task: self._least_s[task] for task in sorted(tasks)}
        exchanged = {task: sum(flow_bytes for _, _, flow_bytes in self.flows[task]) for task in weight_s}
        order = []
        while weight_s:
            task = max(weight_s, key=lambda task: (weight_s[task], exchanged[task]))
            del weight_s[task]
            order.append(task)
            for other, _, flow_bytes in self.flows[task]:
                if other in weight_s:
                    weight_s[other] += flow_bytes * self._mean_per_byte_s
        return order

    # ---- the search

    def _run(self, depth: int, period_s: float) -> None:
        if period_s >= self._limit_s:
            return
        if depth == len(self._tasks):
            self.best = tuple(self._assignment)
            self._limit_s = period_s * (1 - TIE_RATIO)
            return
        self.steps_left -= 1
        if self.steps_left < 0:
            raise OutOfSteps
        task = self._tasks[depth]
        total_s = sum(self._node_s) + self._remaining_s[depth + 1]
        for worst_s, after_s, node, links in self._options(task, period_s):
            if worst_s >= self._limit_s:
                return
            if total_s + self._work_s[task][node] >= self._limit_s * self._useful_count:
                continue
            before_s = self._node_s[node]
            links_before = [(place, self._link_s[place]) for place, _ in links]
            self._assignment[task], self._node_s[node] = node, after_s
            for place, seconds in links:
                self._link_s[place] = seconds
            self._run(depth + 1, worst_s)
            self._assignment[task], self._node_s[node] = UNPLACED, before_s
            for place, seconds in links_before:
                self._link_s[place] = seconds

    def _options(self, task: int, period_s: float) -> list[tuple[float, float, int, list[tuple[int, float]]]]:
        """(period, load of the node, node, what the links it touches carry then), the least first."""
        count, link_s, per_byte_s = self._count, self._link_s, self._per_byte_s
        incoming, outgoing = self._neighbours(task)
        options = []
        for node in self._nodes[task]:
            after_s = self._node_s[node] + self._work_s[task][node]
            worst_s = max(period_s, after_s, self._worker_s[task][node])
            if worst_s >= self._limit_s:
                continue
            places = [(other * count + node, flow_bytes) for other, flow_bytes in incoming]
            places += [(node * count + other, flow_bytes) for other, flow_bytes in outgoing]
            links = [(place, _loaded(link_s[place], size, per_byte_s[place])) for place, size in places]
            for _, seconds in links:
                worst_s = max(worst_s, seconds)
            if worst_s < self._limit_s:
                options.append((worst_s, after_s, node, links))
        options.sort()
        return options

    def _neighbours(self, task: int) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
        """Bytes from and to each node that holds a neighbour already."""
        incoming: dict[int, float] = {}
        outgoing: dict[int, float] = {}
        for other, is_parent, flow_bytes in self.flows[task]:
            node = self._assignment[other]
            if node != UNPLACED:
                found = incoming if is_parent else outgoing
                found[node] = found.get(node, 0.0) + flow_bytes
        return list(incoming.items()), list(outgoing.items())


def _loaded(before_s: float, flow_bytes: float, per_byte_s: float) -> float:
    """A link with so much more on it; infinite where there is no path, also for nothing."""
    return before_s + flow_bytes * per_byte_s if per_byte_s != math.inf else math.inf
