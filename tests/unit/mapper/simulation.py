"""A discrete-event simulation of a mapped pipeline, written without a look at the evaluator's formulas.

Inputs enter as fast as a window lets them, for long enough that what stands in the window does not count. A worker
does one item at a time; a node's cores go to those of its workers that are furthest behind, as a scheduler gives them
in the long run; a link sends one message after the other, each arriving its latency after it has left. A task starts
on an input when all its parents have sent theirs.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from mapper.problem import Problem
from mapper.schedule import Schedule

WINDOW = 16
ROOTS = 1600
WARM_UP = 600
EPSILON_S = 1e-12


def simulated_period_s(problem: Problem, assignment: Sequence[int]) -> float:
    """Seconds between two inputs that are finished, while the pipeline is full."""
    ended_s = _Simulation(problem, assignment, ROOTS).run()
    return (ended_s[-1] - ended_s[WARM_UP]) / (len(ended_s) - 1 - WARM_UP)


def replayed_makespan_s(problem: Problem, schedule: Schedule) -> float:
    """Seconds of one input alone, when every node takes its tasks in the order of the schedule, each as it can."""
    finish_s: dict[int, float] = {}
    free_s = [[problem.release_s] * problem.slots(node) for node in range(len(problem.nodes))]
    for task in sorted(schedule.order, key=lambda task: (schedule.start_s[task], schedule.order.index(task))):
        node = schedule.assignment[task]
        arrivals_s = [
            finish_s[edge.source] + problem.transfer_s(edge.size_bytes, schedule.assignment[edge.source], node)
            for edge in problem.edges
            if edge.target == task
        ]
        core = free_s[node].index(min(free_s[node]))
        start_s = max([free_s[node][core], *arrivals_s])
        finish_s[task] = free_s[node][core] = start_s + float(problem.exec_s[task, node])
    return max(finish_s.values())


@dataclass
class _Server:
    """A task's workers or a link: jobs in the order in which they came, several at once for workers."""

    width: int
    latency_s: float = 0.0
    waiting: deque[list[float]] = field(default_factory=deque)
    """[seconds left, root]; the first `width` are under way."""

    def backlog_s(self) -> float:
        return sum(job[0] for job in self.waiting)


class _Simulation:
    def __init__(self, problem: Problem, assignment: Sequence[int], roots: int) -> None:
        self._problem, self._assignment, self._roots = problem, assignment, roots
        self._now_s = 0.0
        self._tasks = [_Server(width=count) for count in problem.replicas]
        self._links: dict[tuple[int, int], _Server] = {}
        for edge in problem.edges:
            pair = (assignment[edge.source], assignment[edge.target])
            if pair[0] != pair[1]:
                self._links.setdefault(pair, _Server(width=1, latency_s=float(problem.latency_s[pair])))
        self._arriving: list[tuple[float, int, int]] = []
        """(when, edge, root)"""
        self._missing: list[list[int]] = []
        self._left: list[list[int]] = []
        self._messages: dict[tuple[int, int], int] = {}
        self._unfinished: list[int] = []
        self._ended_s: list[float] = []

    def run(self) -> list[float]:
        for _ in range(WINDOW):
            self._enter()
        while len(self._ended_s) < self._roots:
            self._step()
        return self._ended_s[: self._roots]

    def _enter(self) -> None:
        root = len(self._unfinished)
        self._missing.append([len(edges) for edges in self._problem.incoming])
        self._left.append([0] * len(self._problem.tasks))
        self._unfinished.append(len(self._problem.tasks))
        for task, edges in enumerate(self._problem.incoming):
            if not edges:
                self._start(task, root)

    def _count(self, rate: float, root: int) -> int:
        """How many items of this rate belong to one root; fractions come now and then."""
        return math.floor(rate * (root + 1) + 1e-9) - math.floor(rate * root + 1e-9)

    def _start(self, task: int, root: int) -> None:
        seconds = float(self._problem.exec_s[task, self._assignment[task]])
        count = self._count(self._problem.rates[task], root)
        self._left[root][task] = count
        self._tasks[task].waiting.extend([seconds, root] for _ in range(count))
        if not count:
            self._finish(task, root)

    def _finish(self, task: int, root: int) -> None:
        """All items of the task that belong to the root are done: its messages leave."""
        problem = self._problem
        for index in problem.outgoing[task]:
            edge = problem.edges[index]
            pair = (self._assignment[edge.source], self._assignment[edge.target])
            count = self._count(problem.edge_rate(edge), root)
            if pair[0] == pair[1] or not count:
                self._arrive(index, root)
                continue
            seconds = edge.size_bytes * float(problem.inverse_bandwidth_s_per_byte[pair])
            self._messages[index, root] = count
            self._links[pair].waiting.extend([seconds, root, index] for _ in range(count))
        self._unfinished[root] -= 1
        if not self._unfinished[root]:
            self._ended_s.append(self._now_s)
            self._enter()

    def _arrive(self, index: int, root: int) -> None:
        child = self._problem.edges[index].target
        self._missing[root][child] -= 1
        if not self._missing[root][child]:
            self._start(child, root)

    def _step(self) -> None:
        """On to the next moment at which something ends."""
        speeds = self._speeds()
        ends = [job[0] / speed for job, speed in speeds]
        ends += [when_s - self._now_s for when_s, _, _ in self._arriving]
        pause_s = max(0.0, min(ends))
        self._now_s += pause_s
        for job, speed in speeds:
            job[0] -= pause_s * speed
        arrived = [each for each in self._arriving if each[0] <= self._now_s + EPSILON_S]
        self._arriving = [each for each in self._arriving if each[0] > self._now_s + EPSILON_S]
        for _, index, root in arrived:
            self._arrive(index, root)
        for task, server in enumerate(self._tasks):
            for job in self._ended(server):
                root = int(job[1])
                self._left[root][task] -= 1
                if not self._left[root][task]:
                    self._finish(task, root)
        for link in self._links.values():
            for job in self._ended(link):
                root, index = int(job[1]), int(job[2])
                self._messages[index, root] -= 1
                if not self._messages[index, root]:
                    self._arriving.append((self._now_s + link.latency_s, index, root))

    def _ended(self, server: _Server) -> list[list[float]]:
        under_way = list(server.waiting)[: server.width]
        ended = [job for job in under_way if job[0] <= EPSILON_S]
        for job in ended:
            server.waiting.remove(job)
        return ended

    def _speeds(self) -> list[tuple[list[float], float]]:
        """What is under way, and how fast: a worker uses at most one core, a node no more than it has."""
        found = [(link.waiting[0], 1.0) for link in self._links.values() if link.waiting]
        free = list(self._problem.cores)
        tasks = sorted(range(len(self._tasks)), key=lambda task: -self._tasks[task].backlog_s())
        for task in tasks:
            node = self._assignment[task]
            for job in list(self._tasks[task].waiting)[: self._tasks[task].width]:
                speed = min(1.0, free[node])
                if speed > EPSILON_S:
                    free[node] -= speed
                    found.append((job, speed))
        return found
