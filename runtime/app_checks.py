"""What must hold of an application's names and graph. Each check reports every breach it finds.

Checks that follow paths through the graph (reach, joins, routes) wait until the graph is whole: below a
misspelt child everything would look unreachable.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import networkx as nx

from runtime import subjects
from runtime.app_check_gathers import check_gathers
from runtime.app_check_queues import check_queues
from runtime.app_draft import APPLICATION, HOME_CHILDREN, TASKS, Declared, DeclaredSource, Draft
from runtime.app_schema import nearest
from runtime.app_yaml import Findings, Keys
from runtime.network import HOME, name_fault

NAME_RULE = "use 1 to 63 letters, digits, '-' and '_', beginning with a letter or digit"
LATER = {
    "egress": "egress is not supported yet; leave it out, a full egress slows the pipeline down",
}
"""Keys that are understood and refused for now."""


def check_graph(draft: Draft, findings: Findings) -> None:
    """Every rule of names and graph."""
    _check_names(draft, findings)
    _check_children(draft, findings)
    graph = _graph(draft)
    cyclic = _check_cycles(draft, graph, findings)
    _check_later(draft, findings)
    _check_nodes(draft, findings)
    if findings.incomplete:
        return
    _check_ends(draft, graph, findings)
    _check_joins(draft, graph, findings)
    check_gathers(draft, graph, findings)
    _check_codecs(draft, findings)
    if not cyclic:
        _check_routes(draft, graph, findings)
        _check_single_items(draft, graph, findings)
        check_queues(draft, graph, findings)


def _check_names(draft: Draft, findings: Findings) -> None:
    at: Keys = (*APPLICATION, "name")
    place, cure = None, "choose another"
    if draft.application.name is None:
        place, cure = str(draft.folder), "rename the folder, or set application.name"
    if not subjects.NAME.fullmatch(draft.name):
        findings.fault(at, f"'{draft.name}' cannot name an application ({NAME_RULE}); {cure}", place)
    elif draft.name in subjects.RESERVED_APPS:
        findings.fault(at, f"'{draft.name}' is reserved and cannot name an application; {cure}", place)
    lines: dict[str, int] = {}
    declared: tuple[Declared | DeclaredSource, ...] = (*draft.tasks, *draft.sources)
    for task in declared:
        at = (*task.at, "name")
        if task.name in lines:
            where = f"in line {lines[task.name]}"
            findings.fault(at, f"a task '{task.name}' is declared already, {where}; rename one of them")
            continue
        lines[task.name] = findings.document.line(at)
        if task.name in subjects.RESERVED_TASKS:
            findings.fault(at, f"'{task.name}' is reserved and cannot name a task; choose another")
        elif not subjects.NAME.fullmatch(task.name):
            findings.fault(at, f"'{task.name}' cannot name a task ({NAME_RULE}); choose another")


def _check_children(draft: Draft, findings: Findings) -> None:
    sources = {source.name for source in draft.sources}
    tasks = set(draft.by_name)
    for owner, at, children, may_end in _families(draft):
        for index, child in enumerate(children):
            here = (*at, index)
            if child in children[:index]:
                findings.fault(here, f"{owner} names the child '{child}' twice; leave one out")
            elif child in sources:
                findings.fault(here, f"{owner} feeds '{child}', but a non-DAG task takes no input; leave it out")
            elif child == HOME and not may_end:
                findings.fault(here, f"{owner} cannot have the child 'home'; only DAG tasks give results")
            elif child not in tasks and child != HOME:
                findings.incomplete = True
                near = nearest(child, tasks | {HOME})
                cure = f"did you mean '{near}'?" if near else "declare it under dag_tasks"
                findings.fault(here, f"{owner} names the child '{child}', which is no task; {cure}")


def _families(draft: Draft) -> Iterator[tuple[str, Keys, Sequence[str], bool]]:
    """Whoever has children: what to call it, where, the children, and whether `home` may be among them."""
    yield "home", HOME_CHILDREN, draft.home.children, False
    for task in draft.tasks:
        yield f"task '{task.name}'", task.children_at, task.keys.children, True
    for source in draft.sources:
        yield f"task '{source.name}'", source.children_at, source.keys.children, False


def _graph(draft: Draft) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_nodes_from(draft.by_name)
    for task in draft.by_name.values():
        graph.add_edges_from((task.name, child) for child in draft.children(task))
    return graph


def _check_cycles(draft: Draft, graph: nx.DiGraph, findings: Findings) -> bool:
    """One cycle of every tangle, from its first declared task on; a way through `home` is no cycle."""
    found = False
    for members in nx.strongly_connected_components(graph):
        tangle = nx.DiGraph()  # copied in declaration order: networkx's own comes out of a set
        for source in (name for name in graph if name in members):
            tangle.add_edges_from((source, target) for target in graph[source] if target in members)
        if not tangle.edges:
            continue
        found = True
        names = [source for source, _ in nx.find_cycle(tangle)]
        start = min(range(len(names)), key=lambda index: list(graph).index(names[index]))
        names = [*names[start:], *names[:start], names[start]]
        message = f"the tasks form a cycle, {' -> '.join(names)}; remove one of these children"
        findings.fault(draft.by_name[names[0]].children_at, message)
    return found


def _check_later(draft: Draft, findings: Findings) -> None:
    if draft.application.egress is not None:
        findings.fault((*APPLICATION, "egress"), LATER["egress"])


def _check_nodes(draft: Draft, findings: Findings) -> None:
    nodes = draft.root.node_map
    if not nodes:
        return
    if HOME not in nodes:
        findings.fault(("node_map",), "node_map has no 'home'; add it, with the host where inputs enter")
    for name in nodes:
        if fault := name_fault(name):
            findings.fault(("node_map", name), fault)
    if nodes.keys() <= {HOME} and any(task.keys.pin is None for task in draft.tasks):
        findings.fault(("node_map",), "node_map has no node for tasks but 'home'; add some, such as node1")
    for task in draft.tasks:
        if task.keys.pin is not None and task.keys.pin not in nodes:
            message = f"task '{task.name}' is pinned to '{task.keys.pin}', which node_map does not have"
            findings.fault((*task.at, "pin"), f"{message}; it has {', '.join(nodes)}")


def _check_ends(draft: Draft, graph: nx.DiGraph, findings: Findings) -> None:
    """Every task is fed, by way of whatever, and something comes out."""
    if not draft.tasks:
        findings.fault((*TASKS, "dag_tasks"), "there are no tasks; declare some under dag_tasks")
        return
    fed = {child for source in draft.sources for child in source.keys.children} | set(draft.entries)
    if not fed:
        findings.fault(HOME_CHILDREN, "home has no children; name the tasks that inputs go to")
        return
    reached = fed | {name for each in sorted(fed & set(graph)) for name in nx.descendants(graph, each)}
    for task in draft.tasks:
        if task.name not in reached:
            cure = "make it a child of home or of a task that is reached, or remove it"
            findings.fault((*task.at, "name"), f"nothing reaches task '{task.name}'; {cure}")
        if not task.keys.children:
            cure = "add children: [home] to make them results"
            findings.warn((*task.at, "name"), f"task '{task.name}' has no children: its outputs go nowhere; {cure}")
    for source in draft.sources:
        if not source.keys.children:
            cure = "name the DAG tasks it feeds"
            findings.fault((*source.at, "name"), f"the non-DAG task '{source.name}' has no children; {cure}")
    if not any(HOME in task.keys.children for task in draft.tasks):
        message = "no task has the child 'home', so nothing ever comes out; add it to the tasks that give results"
        findings.fault((*TASKS, "dag_tasks"), message)


def _check_joins(draft: Draft, graph: nx.DiGraph, findings: Findings) -> None:
    for task in draft.by_name.values():
        if "join" not in task.keys.model_fields_set:
            continue
        parents, join = draft.parents(graph, task.name), task.keys.join
        if len(parents) < 2:
            message = f"task '{task.name}' has {len(parents)} parent in the graph, so there is nothing to join"
            findings.fault((*task.at, "join"), message.replace("0 parent", "no parent") + "; leave join out")
        elif isinstance(join, int) and join > len(parents):
            message = f"task '{task.name}' joins {join} parts but has {len(parents)} parents"
            findings.fault((*task.at, "join"), f"{message} ({', '.join(parents)}); write at most {len(parents)}")


def _check_single_items(draft: Draft, graph: nx.DiGraph, findings: Findings) -> None:
    """A join below needs one item under one id: neither several of the same nor one that has no siblings."""
    for task in draft.by_name.values():
        if task.keys.join == "each" and len(draft.parents(graph, task.name)) > 1:
            join = _meets_elsewhere(draft, graph, task.name)
            if join:
                message = f"task '{task.name}' gives an item for each parent, but join '{join}' below needs one"
                findings.fault((*task.at, "join"), f"{message}; join them here, or move the other branch below")
    for source in draft.sources:
        for child in source.keys.children:
            join = _meets_elsewhere(draft, graph, child) if child in draft.by_name else None
            if join:
                message = f"'{source.name}' feeds task '{child}', but join '{join}' below waits for other branches too"
                findings.fault((*source.at, "children"), f"{message}, which its items never take; feed another task")


def _meets_elsewhere(draft: Draft, graph: nx.DiGraph, name: str) -> str | None:
    """A join that the task reaches and that is also reached without it."""
    without = graph.copy()
    without.remove_node(name)
    entries = [entry for entry in draft.entries if entry in without]
    reached = set(entries).union(*(nx.descendants(without, entry) for entry in entries))
    for join in draft.by_name.values():
        is_join = len(draft.parents(graph, join.name)) > 1 and join.keys.join != "each"
        if is_join and join.name in nx.descendants(graph, name) and join.name in reached:
            return join.name
    return None


def _check_codecs(draft: Draft, findings: Findings) -> None:
    fed = {child for source in draft.sources for child in source.keys.children} | set(draft.entries)
    for task in draft.by_name.values():
        if task.keys.input_codec is not None and task.name not in fed:
            message = f"task '{task.name}' is no entry task, so nothing reaches it from outside"
            findings.fault((*task.at, "input_codec"), f"{message}; leave input_codec out")


def _check_routes(draft: Draft, graph: nx.DiGraph, findings: Findings) -> None:
    """Branches of which an item takes one must not meet where it would have to come by all of them."""
    below = {name: {name, *nx.descendants(graph, name)} for name in graph}
    for task in draft.by_name.values():
        if task.keys.route == "all":
            continue
        for join in draft.by_name.values():
            if join.name in below[task.name] - {task.name} and _needs_all(draft, graph, join):
                _check_route(task, join, draft, graph, below, findings)


def _needs_all(draft: Draft, graph: nx.DiGraph, join: Declared) -> bool:
    parents = draft.parents(graph, join.name)
    return len(parents) > 1 and join.keys.join in ("all", len(parents))


def _check_route(
    task: Declared,
    join: Declared,
    draft: Draft,
    graph: nx.DiGraph,
    below: dict[str, set[str]],
    findings: Findings,
) -> None:
    meet = {}
    for child in draft.children(task):
        by = {parent for parent in graph.predecessors(join.name) if parent in below[child]}
        if child == join.name:
            by.add(task.name)
        if by:
            meet[child] = by
    for first, second in combinations(meet, 2):
        if meet[first] != meet[second]:
            message = (
                f"task '{task.name}' sends an item to one child (route: {task.keys.route}), but '{first}' and "
                f"'{second}' meet in '{join.name}', which waits for all; write join: any or each there, or route: all"
            )
            findings.fault((*task.at, "route"), message)
            return
