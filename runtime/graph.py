"""The task graph: tasks, their children, and the questions everybody asks of it.

Built by `runtime.app_config` (which reports every fault with its place) or from an app record on the bus.
Children are in the order the author wrote; every other answer is in topological order with ties by
declaration, so that all parts of the system agree. `home` as a child marks a result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from runtime.network import HOME
from runtime.typed import read

JoinPolicy = str | int
"""`all`, `any`, `each`, or how many parents must have answered with a part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a task needs of its machine; None where its author did not say."""

    cores: float | None = None
    memory_bytes: int | None = None


MOST_GATHERED = 1 << 15
"""Items of one group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gather:
    """When a group of items closes, besides by an item that `closes(item, ctx)` says is the last."""

    count: int | None = None
    """With this many; without it, no number closes a group."""
    within_s: float = 10.0
    """So long after its first item at the latest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task of the graph and what its author asked for."""

    name: str
    script: str
    """Path of the script, relative to the application's folder."""
    children: tuple[str, ...] = ()
    join: JoinPolicy = "all"
    gather: Gather | None = None
    """Called with a list of items, a group at a time."""
    route: str = "all"
    edge: str = "direct"
    replicas: int = 1
    pin: str | None = None
    timeout_s: float | None = None
    retries: int = 2
    deterministic: bool = True
    sample_input: str | None = None
    input_codec: str | None = None
    """Overrides the application's codec for what an entry task receives from outside."""
    image: str | None = None
    """Container image to run it in, in a cluster, instead of the worker's own."""
    requirements: tuple[str, ...] = ()
    """Python packages it needs, as pip writes them."""
    resources: Resources = Resources()

    def to_record(self) -> dict[str, Any]:
        """The task as plain values."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Task:
        """Read a record; raises ValueError on one that is not a task."""
        return read(cls, record)


@dataclass(frozen=True)
class TaskGraph:
    """A validated directed acyclic graph. `entries` are the tasks that `home` feeds."""

    tasks: Mapping[str, Task]
    entries: tuple[str, ...]
    _parents: dict[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parents: dict[str, list[str]] = {name: [] for name in self.tasks}
        for entry in self.entries:
            parents[entry].append(HOME)
        for task in self.tasks.values():
            for child in task.children:
                if child != HOME:
                    parents[child].append(task.name)
        object.__setattr__(self, "_parents", {name: tuple(found) for name, found in parents.items()})

    def parents(self, name: str) -> tuple[str, ...]:
        """The parents of a task in declaration order; `home` is one for an entry task."""
        return self._parents[name]

    def is_join(self, name: str) -> bool:
        """Whether the task has several parents, whose parts meet by item id."""
        return len(self._parents[name]) > 1 and self.tasks[name].join != "each"

    @property
    def results(self) -> tuple[str, ...]:
        """The tasks whose outputs are results (they have `home` as a child)."""
        return tuple(task.name for task in self.tasks.values() if HOME in task.children)

    @property
    def queues(self) -> tuple[str, ...]:
        """The tasks that read a queue of their own (`edge: queued`)."""
        return tuple(task.name for task in self.tasks.values() if task.edge == "queued")

    def edges(self) -> Iterable[tuple[str, str]]:
        """Every edge as (source, target), `home` included, in declaration order."""
        yield from ((HOME, entry) for entry in self.entries)
        for task in self.tasks.values():
            yield from ((task.name, child) for child in task.children)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Task names in topological order, ties by declaration."""
        waiting = {name: sum(parent != HOME for parent in self._parents[name]) for name in self.tasks}
        order: list[str] = []
        while ready := [name for name in self.tasks if waiting.get(name) == 0]:
            for name in ready:
                del waiting[name]
                order.append(name)
                for child in self.tasks[name].children:
                    if child != HOME:
                        waiting[child] -= 1
        if waiting:
            raise ValueError(f"the task graph has a cycle among {', '.join(waiting)}")
        return tuple(order)

    def reaches_join(self, name: str) -> bool:
        """Whether the task is a join or one lies below it, without a queue between."""
        return any(self.is_join(found) for found in self.segment(name))

    def segment(self, *entries: str) -> tuple[str, ...]:
        """The tasks that items reach from these without passing a queue, in topological order."""
        found = set(entries)
        for task in self.order:
            if task in found:
                found.update(set(self.tasks[task].children) - {HOME, *self.queues})
        return tuple(task for task in self.order if task in found)

    def below(self, name: str) -> tuple[str, ...]:
        """The task and everything that its outputs can reach, in topological order; nothing for `home`."""
        found = {name} - {HOME}
        for task in self.order:
            if task in found:
                found.update(child for child in self.tasks[task].children if child != HOME)
        return tuple(task for task in self.order if task in found)

    def enclosing_join(self, name: str) -> tuple[str, str] | None:
        """The fork and the join that the task lies between, where a second output would be ambiguous.

        A task lies between them when the join can also be reached without it; the fork is the last task (or
        `home`) that every path to the join goes through. None when every join below depends on it alone.
        """
        for join in self.segment(name):
            if join != name and self.is_join(join) and join in self._reached(without=name):
                forks = [task for task in self.order if task != join and join not in self._reached(without=task)]
                return (forks[-1] if forks else HOME), join
        return None

    def _reached(self, without: str) -> set[str]:
        """Tasks that `home` reaches when one is taken away."""
        found: set[str] = set(self.entries) - {without}
        for task in self.order:
            if task in found:
                found.update(child for child in self.tasks[task].children if child not in (HOME, without))
        return found
