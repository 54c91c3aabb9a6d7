"""Agents that place tasks among themselves on a bus made up: it loses, repeats, reorders, and nodes die on it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from agents.wave_home import Home, Ready
from agents.wave_messages import Take, decode, encode
from agents.wave_node import WaveNode
from agents.wave_placement import Send, Surroundings
from agents.wave_statistics import LocalStatistics
from mapper import costs, registry
from mapper.table import ProfileTable
from runtime.app import App
from runtime.graph import Task, TaskGraph
from runtime.mapper_options import MapperOptions
from runtime.mapping import TaskMapping
from runtime.network import home_first
from runtime.profiles import NODE_LEASE_S, ExecutionProfile, LinkEstimate, LinkRow, NodeProfile
from tests.unit.mapper import known

STEP_S = 0.1


def app(
    edges: Mapping[str, Sequence[str]], mapper: str = "wave_greedy", *, pins: Mapping[str, str] | None = None
) -> App:
    """A graph by its tasks and their children; home feeds who has no parent and gets from who has no child."""
    pins = pins or {}
    fed = {child for children in edges.values() for child in children}
    tasks = {
        name: Task(name=name, script=f"{name}.py", children=tuple(children) or ("home",), pin=pins.get(name))
        for name, children in edges.items()
    }
    graph = TaskGraph(tasks, tuple(name for name in edges if name not in fed))
    return App(
        name="waved",
        graph=graph,
        digest="d",
        objective="makespan",
        mapper=mapper,
        mapper_options=MapperOptions(distributed=True, seed=3),
    )


@dataclass
class Machines:
    """What every node knows of itself; the mapper can be told all of it."""

    app: App
    seconds: Mapping[tuple[str, str], float]
    """By (task, node); what is absent cannot run."""
    bandwidths: Mapping[tuple[str, str], float]
    """Bytes per second by (from, to); what is absent has no link."""
    nodes: tuple[str, ...]
    sizes: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """Bytes per item by (task, child); 100 where nothing is said."""
    latency_s: float = 1e-3

    def node(self, name: str) -> NodeProfile:
        return known.node(name, speed=20.0)

    def row(self, name: str) -> dict[str, LinkEstimate]:
        down = known.link(0.0, 0.0, state="down")
        return {
            target: known.link(self.latency_s, self.bandwidths[name, target])
            if (name, target) in self.bandwidths
            else down
            for target in self.nodes
            if target != name
        }

    def execution(self, task: str, name: str) -> ExecutionProfile:
        children = self.app.graph.tasks[task].children
        return known.execution(
            task,
            name,
            self.seconds[task, name],
            app=self.app.name,
            input_bytes=self.sizes.get(("home", task), 100.0),
            output_bytes={child: self.sizes.get((task, child), 100.0) for child in children},
            outputs=dict.fromkeys(children, 1.0),
        )

    def local(self, name: str) -> LocalStatistics:
        profile = self.node(name)
        able = [task for task in self.app.graph.tasks if (task, name) in self.seconds]
        return LocalStatistics(
            node=name,
            app=self.app,
            executions={task: self.execution(task, name) for task in able},
            failures={task: "cannot run" for task in self.app.graph.tasks if task not in able},
            row=self.row(name),
            cores=profile.cores,
            speed_score=profile.speed_score,
            memory_ratio=1.0 - profile.memory_available_bytes / profile.memory_bytes,
        )

    def by_the_mapper(self) -> dict[str, str]:
        """What the mapper, who knows everything, makes of it by the same rules."""
        table = ProfileTable()
        for name in self.nodes:
            table.node(self.node(name), known.NOW_S)
            table.links(LinkRow(source=name, links=self.row(name)), known.NOW_S)
            for task in self.app.graph.tasks:
                if (task, name) in self.seconds:
                    table.execution(self.execution(task, name), known.NOW_S)
                else:
                    table.failed(self.app.name, task, name, "d", "cannot run")
        problem = costs.build(self.app, table, known.NOW_S)
        found = registry.solve(problem, self.app.mapper, options=self.app.mapper_options)
        return costs.without_home(found.assignment)

    def is_feasible(self, assignment: Mapping[str, str]) -> bool:
        """Everything runs where it can, with the links that it needs."""
        graph = self.app.graph
        where = {**assignment, "home": "home"}
        runs = all((task, where[task]) in self.seconds for task in graph.tasks)
        pairs = [(where[source], where[target]) for source, target in graph.edges()]
        return runs and all(source == target or (source, target) in self.bandwidths for source, target in pairs)


class World:
    """The nodes, what is under way between them, and the mapping's record."""

    def __init__(self, machines: Machines, seed: int = 0, *, loss: float = 0.0, says_absent: bool = True) -> None:
        self.machines = machines
        self.now_s = 100.0
        self.mapping: TaskMapping | None = None
        self.sequence = 7
        self.delivered = 0
        self.takes: list[tuple[str, str]] = []
        """(task, node) as they were given."""
        self.dead_since_s: dict[str, float] = {}
        self._rng = random.Random(seed)
        self._loss = loss
        self._repeats = 0.4 if loss else 0.0
        self._says_absent = says_absent
        self._ids = count(1)
        self._wire: list[tuple[str, str, bytes]] = []
        self.around = {name: self._surroundings(name) for name in machines.nodes}
        self.nodes = {name: [WaveNode(around)] for name, around in self.around.items()}
        """The agents of each node: one, or two that share its name."""
        self.homes = [Home(self.nodes["home"][0], self.around["home"])]

    def _surroundings(self, name: str) -> Surroundings:
        local = self.machines.local(name)

        def alive() -> tuple[str, ...]:
            dead = self.dead_since_s
            return home_first(
                each for each in self.machines.nodes if each not in dead or self.now_s - dead[each] < NODE_LEASE_S
            )

        return Surroundings(name, lambda *_: replace(local), alive, lambda: f"{name}-{next(self._ids)}")

    def kill(self, name: str) -> None:
        self.dead_since_s.setdefault(name, self.now_s)

    def revive(self, name: str) -> None:
        """Another agent of that node, that knows of nothing."""
        self.dead_since_s.pop(name, None)
        self.nodes[name] = [WaveNode(self.around[name])]
        if name == "home":
            self.homes = [Home(self.nodes[name][0], self.around[name])]

    def move_home(self) -> None:
        """Another agent says that it is home's, and the old one still lives."""
        self.nodes["home"].append(WaveNode(self.around["home"]))
        self.homes.append(Home(self.nodes["home"][-1], self.around["home"]))

    def run(self, most_s: float = 200.0, *, gives_up: bool = True) -> TaskMapping | None:
        """Until there is a mapping, or, if it gives up, home says why there is none."""
        end_s = self.now_s + most_s
        while self.now_s < end_s:
            has_failed = any("cannot place" in each for each in self.said())
            if self.mapping is not None or (gives_up and has_failed):
                return self.mapping
            self.live(STEP_S)
        raise AssertionError(f"nothing came of it within {most_s:g} s: {self.said()}")

    def begin(self) -> None:
        """Until the first messages are under way."""
        while not self.nodes["home"][0].is_busy:
            self.attend()
            self.now_s += STEP_S

    def live(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(round(seconds / STEP_S)):
            self.attend()
            self.flow()
            self.now_s += STEP_S
            for name in self.machines.nodes:
                if name not in self.dead_since_s:
                    for node in self.nodes[name]:
                        self._send(name, node.tick(self.now_s))
        self.attend()

    def said(self) -> list[str]:
        return [home.said.get("waved", "") for home in self.homes]

    def attend(self) -> None:
        """Home looks at what is to be done; two of them at the same time, before either sees what the other did."""
        seen = self.mapping, self.sequence
        for home in self.homes:
            sends, ready = home.attend(self.machines.app, *seen, self.now_s)
            self._send("home", sends)
            if ready is not None:
                self._put(ready)

    def _put(self, ready: Ready) -> None:
        if ready.in_place_of == self.sequence:
            self.mapping, self.sequence = ready.mapping, self.sequence + 1

    def flow(self, most: int = 10_000) -> None:
        """Deliver what is under way, in any order."""
        for _ in range(most):
            if not self._wire:
                return
            self._deliver(*self._wire.pop(self._rng.randrange(len(self._wire))))

    def _deliver(self, sender: str, to: str, payload: bytes) -> None:
        if sender in self.dead_since_s:
            return
        if to in self.dead_since_s:
            if self._says_absent:
                for node in self.nodes[sender]:
                    self._send(sender, node.absent(to, self.now_s))
            return
        self.delivered += 1
        message = decode(payload)
        if isinstance(message, Take):
            self.takes.append((message.task, to))
        for node in self.nodes[to]:
            self._send(to, node.heard(sender, message, self.now_s))

    def _send(self, sender: str, sends: Sequence[Send]) -> None:
        for send in sends:
            copies = 0 if self._rng.random() < self._loss else 2 if self._rng.random() < self._repeats else 1
            self._wire += [(sender, send.node, encode(send.message))] * copies
