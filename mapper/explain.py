"""Why each task is where it is: what the mapping would be worth with that task, and it alone, on another node. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mapper.period import Period, moved_s, period
from mapper.problem import Problem, ProblemError
from mapper.result import Objective
from mapper.schedule import Schedule, Walk, check_assignment, evaluate


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A task on a node, all others where they are."""

    node: str
    why_not: str = ""
    """Why it is impossible; then the numbers mean nothing."""
    period_s: float = 0.0
    makespan_s: float = 0.0
    finish_s: float = 0.0
    """When the task finishes, of one item alone."""
    load_s: float = 0.0
    """Seconds per input that the node works, this task included."""

    def objective_s(self, objective: Objective) -> float:
        return self.makespan_s if objective == "makespan" else self.period_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One task, where it is, and where else it could be, the best first."""

    task: str
    node: str
    candidates: tuple[Candidate, ...]
    objective: Objective

    @property
    def here(self) -> Candidate:
        return next(each for each in self.candidates if each.node == self.node)

    @property
    def second(self) -> Candidate | None:
        """The best other node; None when there is none."""
        return next((each for each in self.candidates if each.node != self.node and not each.why_not), None)

    @property
    def second_costs_s(self) -> float | None:
        """What the objective loses if the task goes there; below zero when it would gain."""
        if self.second is None:
            return None
        return self.second.objective_s(self.objective) - self.here.objective_s(self.objective)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A whole mapping."""

    schedule: Schedule
    period: Period
    reasons: tuple[Reason, ...]
    bottleneck_parts: tuple[tuple[str, float], ...]
    """What makes the bottleneck busy, and its seconds per input, the largest first."""


def explain(problem: Problem, assignment: Sequence[int], objective: Objective) -> Explanation:
    """Raises ProblemError when the mapping is impossible."""
    schedule, now = evaluate(problem, assignment), period(problem, assignment)
    candidates = _candidates(problem, schedule)
    reasons = [
        Reason(
            task=problem.tasks[task],
            node=problem.nodes[assignment[task]],
            candidates=tuple(
                sorted(candidates[task], key=lambda each: (bool(each.why_not), each.objective_s(objective)))
            ),
            objective=objective,
        )
        for task in range(len(problem.tasks))
    ]
    return Explanation(
        schedule=schedule,
        period=now,
        reasons=tuple(reasons),
        bottleneck_parts=_parts(problem, assignment, now.bottleneck),
    )


def _candidates(problem: Problem, schedule: Schedule) -> dict[int, list[Candidate]]:
    """By task, in the order of nodes. What comes before the task does not depend on where it is."""
    found: dict[int, list[Candidate]] = {}
    walk = Walk(problem, schedule.assignment)
    for place, task in enumerate(schedule.order):
        possible = _possible(problem, schedule.assignment, task)
        periods_s, loads_s = moved_s(problem, schedule.assignment, task, possible)
        rest = schedule.order[place:]
        found[task] = []
        for node, name in enumerate(problem.nodes):
            if node not in possible:
                found[task].append(Candidate(node=name, why_not=_why_not(problem, schedule.assignment, task, node)))
                continue
            there = walk.elsewhere(task, node)
            there.place(rest)
            found[task].append(
                Candidate(
                    node=name,
                    period_s=periods_s[possible.index(node)],
                    makespan_s=max(there.finish_s),
                    finish_s=there.finish_s[task],
                    load_s=loads_s[possible.index(node)],
                )
            )
        walk.place((task,))
    return found


def _possible(problem: Problem, assignment: Sequence[int], task: int) -> list[int]:
    """Nodes that can run the task and have the links it needs, all others where they are."""
    can = problem.allowed[task].copy()
    for index in problem.incoming[task]:
        can &= problem.linked[assignment[problem.edges[index].source]]
    for index in problem.outgoing[task]:
        can &= problem.linked[:, assignment[problem.edges[index].target]]
    return [int(node) for node in can.nonzero()[0]]


def _why_not(problem: Problem, assignment: Sequence[int], task: int, node: int) -> str:
    try:
        check_assignment(problem, (*assignment[:task], node, *assignment[task + 1 :]))
    except ProblemError as error:
        return error.messages[0].partition(": ")[2]
    raise AssertionError(f"{problem.tasks[task]} can be on {problem.nodes[node]}: a node is allowed that supports it")


def _parts(problem: Problem, assignment: Sequence[int], bottleneck: str) -> tuple[tuple[str, float], ...]:
    kind, _, name = bottleneck.partition(" ")
    parts: list[tuple[str, float]] = []
    if kind in ("node", "task"):
        for task, node in enumerate(assignment):
            if name == (problem.nodes[node] if kind == "node" else problem.tasks[task]):
                share = problem.cores[node] if kind == "node" else problem.replicas[task]
                parts.append((problem.tasks[task], float(problem.exec_s[task, node]) * problem.rates[task] / share))
    elif kind == "link":
        for edge in problem.edges:
            source, target = assignment[edge.source], assignment[edge.target]
            if name == f"{problem.nodes[source]} -> {problem.nodes[target]}":
                per_byte_s = float(problem.inverse_bandwidth_s_per_byte[source, target])
                seconds = edge.size_bytes * problem.edge_rate(edge) * per_byte_s
                parts.append((f"{problem.tasks[edge.source]} -> {problem.tasks[edge.target]}", seconds))
    return tuple(sorted((part for part in parts if part[1] > 0), key=lambda part: -part[1]))
