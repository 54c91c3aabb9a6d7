"""The latest profiles: what is known, how old it is, and what is still missing for an application. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from runtime.app import App
from runtime.hearing import Hearing
from runtime.network import HOME, home_first
from runtime.profiles import NODE_LEASE_S, ExecutionProfile, LinkEstimate, LinkRow, NodeProfile

PAUSE_S = NODE_LEASE_S / 2
"""When no node at all is heard for this long it is we who are cut off."""
PATIENCE_S = 20.0
"""How long a node may take to measure an application before it is mapped without the missing pairs."""


@dataclass(slots=True)
class _Node:
    profile: NodeProfile
    joined_s: float


@dataclass(frozen=True, slots=True)
class Missing:
    """What a mapping of one application still waits for."""

    executions: tuple[tuple[str, str], ...]
    """(task, node) without a profile."""
    links: tuple[tuple[str, str], ...]
    """(from, to) without a measurement."""
    nodes: int = 0
    """How many more nodes are expected."""

    def __bool__(self) -> bool:
        return bool(self.executions or self.links or self.nodes)

    def __str__(self) -> str:
        said = [f"{self.nodes} more nodes"] if self.nodes else []
        if self.executions:
            said.append("the times of " + _few(f"{task} on {node}" for task, node in self.executions))
        if self.links:
            said.append("the links " + _few(f"{source}>{target}" for source, target in self.links))
        return "waiting for " + "; ".join(said)


def _few(names: Iterable[str], limit: int = 6) -> str:
    found = list(names)
    rest = f" and {len(found) - limit} more" if len(found) > limit else ""
    return ", ".join(found[:limit]) + rest


@dataclass(slots=True)
class ProfileTable:
    """Profiles as they come, each with the moment at which it was said; the clock is given, never read."""

    _nodes: dict[str, _Node] = field(default_factory=dict)
    _hearing: Hearing = field(default_factory=lambda: Hearing(lease_s=NODE_LEASE_S, pause_s=PAUSE_S))
    _links: dict[tuple[str, str], LinkEstimate] = field(default_factory=dict)
    _rows_said_s: dict[str, float] = field(default_factory=dict)
    _executions: dict[tuple[str, str, str], ExecutionProfile] = field(default_factory=dict)
    _executions_said_s: dict[tuple[str, str, str], float] = field(default_factory=dict)
    _failed: dict[tuple[str, str, str], tuple[str, str]] = field(default_factory=dict)

    def node(self, profile: NodeProfile, now_s: float) -> None:
        known = self._nodes.get(profile.node)
        if profile.gone:
            self.forget_node(profile.node)
            return
        if known is None or profile.node in self._hearing.silent(now_s):
            self._nodes[profile.node] = _Node(profile, now_s)
        else:
            known.profile = profile
        self._hearing.hear(profile.node, now_s)

    def forget_node(self, name: str) -> None:
        self._nodes.pop(name, None)
        self._hearing.forget(name)

    def links(self, row: LinkRow, said_s: float) -> None:
        self._rows_said_s[row.source] = said_s
        for key in [key for key in self._links if key[0] == row.source]:
            del self._links[key]
        for target, link in row.links.items():
            self._links[row.source, target] = link

    def execution(self, profile: ExecutionProfile, said_s: float) -> None:
        key = (profile.app, profile.task, profile.node)
        self._executions[key], self._executions_said_s[key] = profile, said_s

    def forget_execution(self, app: str, task: str, node: str) -> None:
        self._executions.pop((app, task, node), None)

    def failed(self, app: str, task: str, node: str, digest: str, why: str) -> None:
        """The task cannot run on that node: nobody need wait for its profile."""
        self._failed[app, task, node] = (digest, why)

    def failures(self, app: App, task: str, nodes: Iterable[str]) -> Mapping[str, str]:
        """On which of the nodes the task cannot run, and why."""
        found = {node: self._failed.get((app.name, task, node), ("", "")) for node in nodes}
        return {node: why for node, (digest, why) in found.items() if digest == app.digest}

    def alive(self, now_s: float) -> tuple[str, ...]:
        """Nodes that gave a sign of life lately, sorted; `home` first."""
        names = self._nodes.keys() - self._hearing.silent(now_s)
        return home_first(names)

    def profile_of(self, node: str) -> NodeProfile:
        return self._nodes[node].profile

    def speed_of(self, node: str) -> float | None:
        """The node's own score; None while it is not known."""
        found = self._nodes.get(node)
        return found.profile.speed_score if found is not None and found.profile.speed_score > 0 else None

    def links_among(self, nodes: Collection[str]) -> dict[tuple[str, str], tuple[LinkEstimate, float]]:
        """What is measured between these nodes, each with the moment at which it was said."""
        return {
            (source, target): (link, self._rows_said_s[source])
            for (source, target), link in self._links.items()
            if source in nodes and target in nodes
        }

    def execution_of(self, app: App, task: str, node: str) -> ExecutionProfile | None:
        """Only a profile of the very code that is to run counts."""
        found = self._executions.get((app.name, task, node))
        return found if found is not None and found.digest == app.digest else None

    def execution_said_s(self, app: App, task: str, node: str) -> float:
        return self._executions_said_s[app.name, task, node]

    def candidates(self, app: App, now_s: float) -> tuple[str, ...]:
        """Nodes that the application's tasks may be placed on."""
        return tuple(node for node in self.alive(now_s) if app.allows(node))

    def missing(self, app: App, now_s: float, expected_nodes: int = 0) -> Missing:
        """What has yet to be measured. A node that takes too long is mapped as far as it is known."""
        nodes = self.candidates(app, now_s)
        patient = [node for node in nodes if now_s - self._nodes[node].joined_s < PATIENCE_S]
        executions = [
            (task, node)
            for task in app.graph.tasks
            for node in (patient if any(self.execution_of(app, task, other) for other in nodes) else nodes)
            if self.execution_of(app, task, node) is None and not self.failures(app, task, (node,))
        ]
        ends = [node for node in self.alive(now_s) if node in nodes or node == HOME]
        links = [
            (source, target)
            for source in ends
            for target in ends
            if source != target and (source, target) not in self._links and (source in patient or target in patient)
        ]
        # Nodes that cannot all be waited for: what is expected is said when the mapper is started.
        return Missing(tuple(executions), tuple(links), max(0, expected_nodes - len(self.alive(now_s))))
