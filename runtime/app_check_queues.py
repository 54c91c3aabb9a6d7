"""Where a queue (`edge: queued`) may stand: parts that meet in a join must come out of one and the same queue."""

from __future__ import annotations

import networkx as nx

from runtime.app_draft import Declared, Draft
from runtime.app_yaml import Findings
from runtime.network import HOME


def check_queues(draft: Draft, graph: nx.DiGraph, findings: Findings) -> None:
    """Every breach, at the queue that causes it. The graph is whole and has no cycle."""
    fed = {child for source in draft.sources for child in source.keys.children}
    for task in draft.by_name.values():
        if task.is_queued and (task.name in draft.entries or task.name in fed):
            findings.fault((*task.at, task.queue_key), _outside(task))
        elif task.is_queued and _is_join(draft, graph, task) and task.keys.gather is None:
            message = f"parts meet in task '{task.name}' by the input that they come from, which a queue before it ends"
            findings.fault((*task.at, "edge"), f"{message}; put the queue {_elsewhere(draft, graph, task.name)}")
    queues = _queues_above(draft, graph, fed)
    for join in draft.by_name.values():
        if _is_join(draft, graph, join) and not join.is_queued:
            _check_join(draft, graph, join, queues, findings)


def _outside(task: Declared) -> str:
    if task.keys.gather is None:
        message = f"task '{task.name}' takes inputs from outside, which wait in the ingress, a queue already"
        return f"{message}; leave edge out"
    message = f"task '{task.name}' gathers from a queue that tasks before it fill, and inputs come straight to it"
    return f"{message}; put a task before it that gives them on: def process(item, ctx): return item"


def _check_join(
    draft: Draft, graph: nx.DiGraph, join: Declared, queues: dict[str, frozenset[str]], findings: Findings
) -> None:
    meeting = [queues[parent] for parent in draft.parents(graph, join.name)]
    apart = frozenset().union(*meeting) - frozenset.intersection(*meeting) - {HOME}
    for name in sorted(name for name in apart if not apart & nx.descendants(graph, name)):
        message = f"join '{join.name}' takes parts that come through the queue of task '{name}' and parts that do not"
        where = _elsewhere(draft, graph, join.name)
        queue = draft.by_name[name]
        findings.fault((*queue.at, queue.queue_key), f"{message}, so they never meet; put the queue {where}")


def _queues_above(draft: Draft, graph: nx.DiGraph, fed: set[str]) -> dict[str, frozenset[str]]:
    """By task the queues that its items may have come out of last; `home` is the ingress."""
    found = {HOME: frozenset({HOME})}
    for name in nx.topological_sort(graph):
        above = [found[parent] for parent in draft.parents(graph, name)] + [found[HOME]] * (name in fed)
        found[name] = frozenset({name}) if draft.by_name[name].is_queued else frozenset().union(*above)
    return found


def _elsewhere(draft: Draft, graph: nx.DiGraph, join: str) -> str:
    """Where it could go: on the last task that all parts pass, or behind the join."""
    rooted = graph.copy()
    rooted.add_edges_from((HOME, entry) for entry in draft.entries)
    fork = nx.immediate_dominators(rooted, HOME).get(join, HOME)
    may_stand_there = fork not in (HOME, *draft.entries) and not draft.by_name[fork].is_queued
    before = [f"before the fork, on task '{fork}'"] if may_stand_there else []
    behind = [f"behind the join, on task '{child}'" for child in draft.children(draft.by_name[join])[:1]]
    return ", or ".join(before + behind) or "elsewhere, or leave it out: before the fork the ingress is one"


def _is_join(draft: Draft, graph: nx.DiGraph, task: Declared) -> bool:
    return len(draft.parents(graph, task.name)) > 1 and task.keys.join != "each"
