"""What must hold of a task with `gather`. Every breach is reported with its place."""

from __future__ import annotations

import networkx as nx

from runtime.app import Limits
from runtime.app_draft import Declared, Draft
from runtime.app_yaml import Findings


def check_gathers(draft: Draft, graph: nx.DiGraph, findings: Findings) -> None:
    """Of every such task, on a graph that is whole."""
    for task in draft.by_name.values():
        if task.keys.gather is not None:
            _check_route(task, findings)
            _check_parents(draft, graph, task, findings)
            _check_room(draft, task, findings)


def _check_route(task: Declared, findings: Findings) -> None:
    if task.keys.route == "by_key":
        message = f"task '{task.name}' gathers by `key`, so it cannot choose a child by it as well"
        findings.fault((*task.at, "route"), f"{message}; use ctx.emit(value, to=...), or route in a task behind it")


def _check_parents(draft: Draft, graph: nx.DiGraph, task: Declared, findings: Findings) -> None:
    parents = draft.parents(graph, task.name)
    if len(parents) > 1 and task.keys.join != "each":
        message = f"task '{task.name}' gathers single items, but joins those of {', '.join(parents)}"
        findings.fault((*task.at, "gather"), f"{message}; write join: each, or join them in a task before it")


def _check_room(draft: Draft, task: Declared, findings: Findings) -> None:
    """Half of what may be in flight is for open groups, and the other half for those in work."""
    count = task.gather.count if task.gather is not None else None
    most = draft.limits.in_flight_items or Limits().in_flight_items
    if count is not None and count > most // 2:
        message = f"a group of {count} does not fit: half of limits.in_flight_items ({most}) may wait in open groups"
        findings.fault((*task.at, "gather", "count"), f"{message}; raise that to {2 * count}, or lower count")
