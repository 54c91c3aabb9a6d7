"""When home has an application placed by the agents, and what becomes of it. Pure; the clock is given.

It is placed when it has no mapping, when its mapping is of another version, or when a node of that is gone. Two homes
(one that moved, and its remains) do not fight: a mapping is put in place of the one that was seen, or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from agents.wave_messages import DONE, FAILED, Told
from agents.wave_node import WaveNode
from agents.wave_placement import Send, Surroundings
from runtime import wave
from runtime.app import App
from runtime.mapping import TaskMapping

SETTLE_S = 1.0
"""Nodes come in groups: a placement waits until none has joined for this long."""
AGAIN_S = 3.0
"""After one that failed."""
LONGEST_S = 60.0
"""A placement that has not ended by then begins anew: links that are missing can make it try very many ways."""
REASONS = 8
"""How many tasks a mapping tells the reason of."""


class Ready(NamedTuple):
    """A mapping to be put where `in_place_of` is the sequence of the last one."""

    mapping: TaskMapping
    in_place_of: int


@dataclass(slots=True)
class _Run:
    placement: str
    digest: str
    in_place_of: int
    began_s: float


class Home:
    """Of every application that the agents place. `attend` to each again and again."""

    def __init__(self, node: WaveNode, around: Surroundings, expected_nodes: int = 0) -> None:
        self._node = node
        self._around = around
        self._expected_nodes = expected_nodes
        self._runs: dict[str, _Run] = {}
        self._again_s: dict[str, float] = {}
        self._failures: dict[str, str] = {}
        self._nodes: tuple[str, ...] = ()
        self._nodes_changed_s = 0.0
        self.said: dict[str, str] = {}
        """What each application waits for; nothing when it is mapped."""

    def attend(
        self, app: App, mapping: TaskMapping | None, sequence: int, now_s: float
    ) -> tuple[list[Send], Ready | None]:
        """Do what one application needs now. `sequence` is that of its mapping's last record."""
        self._note_nodes(now_s)
        nodes = tuple(name for name in self._nodes if app.allows(name))
        if mapping is not None and not mapping.is_outdated(app, nodes):
            self.forget(app.name)
            self.said[app.name] = ""
            return [], None
        run = self._runs.get(app.name)
        if run is not None and (run.digest, run.in_place_of) != (app.digest, sequence):
            self.forget(app.name)
            run = None
        if run is None:
            return self._begin(app, mapping, sequence, nodes, now_s), None
        told = self._node.look(run.placement, now_s)
        self.said[app.name] = told.why
        if told.state == DONE:
            self.forget(app.name)
            self._again_s[app.name] = now_s + AGAIN_S  # should it not be put
            return [], Ready(_mapping(app, told), sequence)
        if told.state == FAILED or now_s - run.began_s > LONGEST_S:
            self._fail(app, told, now_s)
        return [], None

    def forget(self, app: str) -> None:
        """End what is under way; also of an application that is no more."""
        run = self._runs.pop(app, None)
        if run is not None:
            self._node.end(run.placement)
        for each in (self._again_s, self._failures, self.said):
            each.pop(app, None)

    def apps(self) -> frozenset[str]:
        """That something is remembered of."""
        return frozenset(self._runs) | frozenset(self.said)

    def _note_nodes(self, now_s: float) -> None:
        nodes = self._around.alive()
        if nodes != self._nodes:
            self._nodes, self._nodes_changed_s = nodes, now_s

    def _begin(
        self, app: App, mapping: TaskMapping | None, sequence: int, nodes: tuple[str, ...], now_s: float
    ) -> list[Send]:
        # A node that is gone leaves tasks without a place: no time to wait for others to settle.
        is_lost = mapping is not None and not set(mapping.assignment.values()) <= set(nodes)
        missing = 0 if mapping is not None else max(0, self._expected_nodes - len(self._nodes))
        if missing:
            self.said[app.name] = f"waiting for {missing} more nodes"
        elif not is_lost and now_s - self._nodes_changed_s < SETTLE_S and not self._expected_nodes:
            self.said[app.name] = "waiting for nodes to settle"
        elif now_s < self._again_s.get(app.name, now_s):
            self.said[app.name] = self._failures.get(app.name, "placed, but its mapping is not on the bus yet")
        else:
            run = self._runs[app.name] = _Run(self._around.new_id(), app.digest, sequence, now_s)
            self.said[app.name] = self._failures.get(app.name, "the agents place it")
            return self._node.begin(run.placement, app, now_s)
        return []

    def _fail(self, app: App, told: Told, now_s: float) -> None:
        why = told.why if told.state == FAILED else f"not within {LONGEST_S:g} s: {told.why}"
        self.forget(app.name)
        self._failures[app.name] = self.said[app.name] = f"cannot place: {why}"
        self._again_s[app.name] = now_s + AGAIN_S


def _mapping(app: App, told: Told) -> TaskMapping:
    reasons = [why for _, _, why in told.decisions[:REASONS]]
    more = len(told.decisions) - len(reasons)
    algorithm = wave.NAMES[app.mapper]
    how = "drawn" if algorithm == wave.RANDOM else "at the lowest price"
    return TaskMapping(
        assignment={task: node for task, node, _ in told.decisions},
        algorithm=algorithm,
        objective=app.objective,
        digest=app.digest,
        why=f"each parent's agent placed its children, {how}: {'; '.join(reasons)}"
        + (f"; {more} more" if more else ""),
    )
