"""Hill climbing on the makespan: move one task to another node for as long as the schedule ends earlier.

The order of tasks stays that of the schedule it starts from. Deterministic: tasks in that order, nodes as declared.
"""

from __future__ import annotations

from mapper.problem import Problem
from mapper.ranks import TIE_RATIO
from mapper.schedule import Schedule, evaluate

PLACEMENTS = 20_000
"""Tasks that are placed anew in all: an evaluation places every task once."""


def climb(problem: Problem, start: Schedule, placements: int = PLACEMENTS) -> Schedule:
    """A schedule that is not later than the one to start from."""
    best, left = start, placements // len(problem.tasks)
    has_moved = True
    while has_moved:
        has_moved = False
        for task in start.order:
            for node in problem.allowed[task].nonzero()[0].tolist():
                if node == best.assignment[task] or not _is_linked(problem, best, task, node):
                    continue
                if left <= 0:
                    return best
                left -= 1
                moved = (*best.assignment[:task], node, *best.assignment[task + 1 :])
                found = evaluate(problem, moved, start.order)
                if found.makespan_s < best.makespan_s * (1 - TIE_RATIO):
                    best, has_moved = found, True
    return best


def _is_linked(problem: Problem, schedule: Schedule, task: int, node: int) -> bool:
    """Whether the task on that node has paths from its parents and to its children where they are."""
    if problem.is_fully_linked:
        return True
    parents = (schedule.assignment[problem.edges[e].source] for e in problem.incoming[task])
    children = (schedule.assignment[problem.edges[e].target] for e in problem.outgoing[task])
    linked = problem.linked
    return all(linked[parent, node] for parent in parents) and all(linked[node, child] for child in children)
