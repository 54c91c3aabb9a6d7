"""The mapping problem: tasks, nodes, what running and moving cost. Validated once, trusted by every mapper.

Units: seconds, bytes, seconds per byte, cores. A pair that cannot run is `inf` in `exec_s`; a pair of nodes
without a path is `inf` in both link arrays. Absent is never 0 and never "very large": `inf` cannot be chosen
by accident.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mapper import problem_checks
from mapper.feasible import Domains
from mapper.topology import topological_order
from runtime.errors import UsageError

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IndexArray = NDArray[np.intp]
_Scalar = TypeVar("_Scalar", np.float64, np.bool_, np.intp)


class ProblemError(UsageError):
    """A problem that cannot be solved as stated: every fault at once, each with its place."""

    def __init__(self, messages: Sequence[str]) -> None:
        self.messages = tuple(messages)
        super().__init__("\n".join(self.messages))


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """`size_bytes` per item from task `source` to task `target` (indices into `Problem.tasks`).

    `rate` is items on this edge per root input; left out, one per item of the source task.
    """

    source: int
    target: int
    size_bytes: float
    rate: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLoad:
    """What else a node does, as shares of its cores and memory (0 idle, 1 full)."""

    busy_cores_ratio: float = 0.0
    memory_ratio: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """One mapping problem. Names stand in declaration order, which is the last resort of every tie."""

    tasks: tuple[str, ...]
    nodes: tuple[str, ...]
    exec_s: FloatArray
    """[task, node] seconds per item; inf = cannot run there."""
    edges: tuple[Edge, ...]
    latency_s: FloatArray
    """[from, to]; zero diagonal, inf = no path."""
    inverse_bandwidth_s_per_byte: FloatArray
    """[from, to]; zero diagonal, inf = no path."""
    pins: Mapping[str, str] = field(default_factory=dict)
    cores: tuple[float, ...] = ()
    replicas: tuple[int, ...] = ()
    rates: tuple[float, ...] = ()
    """Items of each task per root input."""
    load: tuple[NodeLoad, ...] = ()
    busy: tuple[tuple[tuple[float, float], ...], ...] = ()
    """Per node, (start_s, finish_s) of work already promised."""
    release_s: float = 0.0

    allowed: BoolArray = field(init=False)
    """[task, node]: can run there, is not pinned elsewhere, and can be reached from and by its neighbours."""
    compute_s: FloatArray = field(init=False)
    """`exec_s` where allowed, inf elsewhere."""
    linked: BoolArray = field(init=False)
    topological: tuple[int, ...] = field(init=False)
    """Tasks, parents first; among the ready ones the first declared."""
    outgoing: tuple[tuple[int, ...], ...] = field(init=False)
    """Per task, indices of its edges to children."""
    incoming: tuple[tuple[int, ...], ...] = field(init=False)
    edge_sources: IndexArray = field(init=False)
    edge_targets: IndexArray = field(init=False)
    edge_bytes: FloatArray = field(init=False)
    """`edges` once more, as arrays."""

    def __post_init__(self) -> None:
        put = object.__setattr__  # the class is frozen for everybody else
        for name in ("exec_s", "latency_s", "inverse_bandwidth_s_per_byte"):
            put(self, name, _frozen(np.array(getattr(self, name), dtype=np.float64)))
        put(self, "pins", dict(self.pins))
        put(self, "cores", self.cores or (1.0,) * len(self.nodes))
        put(self, "replicas", self.replicas or (1,) * len(self.tasks))
        put(self, "rates", self.rates or (1.0,) * len(self.tasks))
        put(self, "load", self.load or (NodeLoad(),) * len(self.nodes))
        put(self, "busy", self.busy or ((),) * len(self.nodes))
        if messages := problem_checks.messages(self):
            raise ProblemError(messages)
        self._derive()

    def _derive(self) -> None:
        put = object.__setattr__
        outgoing: list[list[int]] = [[] for _ in self.tasks]
        incoming: list[list[int]] = [[] for _ in self.tasks]
        for index, edge in enumerate(self.edges):
            outgoing[edge.source].append(index)
            incoming[edge.target].append(index)
        put(self, "outgoing", tuple(map(tuple, outgoing)))
        put(self, "incoming", tuple(map(tuple, incoming)))
        put(self, "edge_sources", _frozen(np.array([edge.source for edge in self.edges], dtype=np.intp)))
        put(self, "edge_targets", _frozen(np.array([edge.target for edge in self.edges], dtype=np.intp)))
        put(self, "edge_bytes", _frozen(np.array([edge.size_bytes for edge in self.edges], dtype=np.float64)))
        put(self, "linked", _frozen(np.isfinite(self.latency_s)))
        pairs = [(edge.source, edge.target) for edge in self.edges]
        put(self, "topological", topological_order(len(self.tasks), pairs))
        allowed = np.isfinite(self.exec_s)
        for task, node in self.pins.items():
            allowed[self.tasks.index(task)] &= np.arange(len(self.nodes)) == self.nodes.index(node)
        put(self, "allowed", _frozen(self._reachable(allowed)))
        put(self, "compute_s", _frozen(np.where(self.allowed, self.exec_s, np.inf)))

    def _reachable(self, allowed: BoolArray) -> BoolArray:
        """Drop nodes that no choice for a neighbouring task could be linked with."""
        if self.is_fully_linked:
            return allowed
        domains = Domains(allowed, self.linked, [(e.source, e.target) for e in self.edges])
        if conflict := domains.narrow():
            raise ProblemError([self.describe_conflict(*conflict, allowed)])
        return domains.as_array()

    def describe_conflict(self, task: int, neighbour: int, allowed: BoolArray) -> str:
        """Why no node is left for `task` once `neighbour` is taken into account."""
        return (
            f"links: no node is left for task {self.tasks[task]}: none of the nodes that can run it "
            f"({self._node_names(allowed[task])}) has the links it needs with those that can run "
            f"{self.tasks[neighbour]} ({self._node_names(allowed[neighbour])})"
        )

    def _node_names(self, mask: BoolArray) -> str:
        return ", ".join(self.nodes[index] for index in mask.nonzero()[0].tolist())

    @property
    def is_fully_linked(self) -> bool:
        return bool(self.linked.all())

    def slots(self, node: int) -> int:
        """How many tasks a node runs at once in a schedule: whole cores, never none, and no more than have work."""
        return max(1, min(int(self.cores[node]), len(self.tasks) + len(self.busy[node])))

    def edge_rate(self, edge: Edge) -> float:
        return self.rates[edge.source] if edge.rate is None else edge.rate

    def transfer_s(self, size_bytes: float, source: int, target: int) -> float:
        """Seconds from node to node for one item; 0 on the same node, inf without a path."""
        if not self.linked[source, target]:
            return float("inf")
        inverse_bandwidth = float(self.inverse_bandwidth_s_per_byte[source, target])
        return size_bytes * inverse_bandwidth + float(self.latency_s[source, target])

    @classmethod
    def from_form(cls, form: Mapping[str, Any]) -> Problem:
        """Read the JSON form: the object itself, or one that holds it under `problem`."""
        from mapper import problem_form  # both modules import this one

        return problem_form.read(form)

    def to_form(self) -> dict[str, Any]:
        """The JSON form; `from_form` of it is the same problem."""
        from mapper import problem_writing

        return problem_writing.write(self)


def _frozen(array: NDArray[_Scalar]) -> NDArray[_Scalar]:
    array.flags.writeable = False
    return array
