"""For mappers that place tasks one by one: never choose a node that leaves a later task without one.

`guarded` runs such a mapper up to three times: unguarded when every pair of nodes has a path; else with a guard that
propagates each choice, which nearly always suffices; and if that ran into a dead end, with one that searches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from mapper.feasible import Domains
from mapper.problem import Problem, ProblemError

Answer = TypeVar("Answer")


class DeadEnd(Exception):  # noqa: N818 - a signal between a mapper and `guarded`, never seen by a user
    """No node is left for `task`."""

    def __init__(self, task: int) -> None:
        super().__init__(task)
        self.task = task


class Guard:
    """Accepts choices as long as the tasks not yet placed keep a node each."""

    def __init__(self, problem: Problem, *, is_complete: bool = False) -> None:
        self._domains = None
        if not problem.is_fully_linked:
            pairs = [(edge.source, edge.target) for edge in problem.edges]
            self._domains = Domains(problem.allowed, problem.linked, pairs)
        self._is_complete = is_complete

    def accepts(self, task: int, node: int) -> bool:
        """Remember the choice, or refuse it and change nothing."""
        return self._domains is None or self._domains.fix(task, node, complete=self._is_complete)


def guarded(problem: Problem, run: Callable[[Guard], Answer]) -> Answer:
    """The answer of `run`, which raises DeadEnd when its guard accepts no node for a task."""
    try:
        return run(Guard(problem))
    except DeadEnd:
        pass
    try:
        return run(Guard(problem, is_complete=True))
    except DeadEnd as dead_end:
        task = problem.tasks[dead_end.task]
        message = f"links: no mapping was found: task {task} has no node left with all the links it needs"
        raise ProblemError([message]) from None
