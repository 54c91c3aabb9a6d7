"""What a mapper answers: a plan from the algorithm, and that with its predictions for everybody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from mapper.period import Period
from mapper.problem import Problem
from mapper.schedule import Schedule
from runtime.errors import UsageError
from runtime.mapper_options import MapperOptions
from runtime.mapping import TaskMapping

Objective = Literal["period", "makespan"]
OBJECTIVES: tuple[Objective, ...] = ("period", "makespan")


def as_objective(name: str) -> Objective:
    """The objective of that name; UsageError when there is none."""
    for objective in OBJECTIVES:
        if objective == name:
            return objective
    raise UsageError(f"there is no objective {name!r}; the objectives are {', '.join(OBJECTIVES)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a mapper is asked for. Each takes from it what concerns it."""

    objective: Objective = "period"
    options: MapperOptions = field(default_factory=MapperOptions)
    is_order_kept: bool = True
    """Whether the schedule's order of tasks is part of the answer; a mapping that is put in force tells nodes alone."""
    is_late: Callable[[], bool] | None = None
    """Whether the time limit is over: the one thing that makes an answer depend on more than the problem."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The schedule an algorithm chose, and why, in one sentence."""

    schedule: Schedule
    why: str
    truncated: bool = False
    """A time limit ended the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingResult:
    """One mapping with everything predicted of it. Seconds are per item; in `period`, per root input."""

    problem: Problem
    algorithm: str
    objective: Objective
    schedule: Schedule
    period: Period
    why: str
    truncated: bool = False

    @property
    def assignment(self) -> dict[str, str]:
        nodes = self.problem.nodes
        placed = zip(self.problem.tasks, self.schedule.assignment, strict=True)
        return {task: nodes[node] for task, node in placed}

    @property
    def makespan_s(self) -> float:
        return self.schedule.makespan_s

    @property
    def period_s(self) -> float:
        return self.period.period_s

    @property
    def objective_s(self) -> float:
        """What the mapping is good at: the less the better."""
        return self.makespan_s if self.objective == "makespan" else self.period_s

    def task_s(self) -> dict[str, float]:
        """Predicted seconds per item of each task on its node."""
        placed = enumerate(self.schedule.assignment)
        return {self.problem.tasks[task]: float(self.problem.exec_s[task, node]) for task, node in placed}

    def edge_s(self) -> dict[str, float]:
        """Predicted seconds per item of each transfer, by `source>target`."""
        problem, nodes = self.problem, self.schedule.assignment
        return {
            f"{problem.tasks[edge.source]}>{problem.tasks[edge.target]}": problem.transfer_s(
                edge.size_bytes, nodes[edge.source], nodes[edge.target]
            )
            for edge in problem.edges
        }

    def to_json(self) -> dict[str, Any]:
        """What `jupiter map --json` prints."""
        plan, tasks = self.schedule, self.problem.tasks
        return {
            "mapper": self.algorithm,
            "objective": self.objective,
            "mapping": self.assignment,
            "makespan_s": self.makespan_s,
            "period_s": self.period_s,
            "schedule": {
                task: {"node": node, "start_s": start_s, "finish_s": finish_s}
                for task, node, start_s, finish_s in zip(
                    tasks, self.assignment.values(), plan.start_s, plan.finish_s, strict=True
                )
            },
            **({"truncated": True} if self.truncated else {}),
        }

    def to_mapping(self, digest: str = "") -> TaskMapping:
        """The mapping as it goes on the bus, for the application with this digest."""
        return TaskMapping(
            assignment=self.assignment,
            algorithm=self.algorithm,
            objective=self.objective,
            digest=digest,
            makespan_s=self.makespan_s,
            period_s=self.period_s,
            bottleneck=self.period.bottleneck,
            task_s=self.task_s(),
            edge_s=self.edge_s(),
            why=self.why,
        )
