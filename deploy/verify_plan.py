"""Which faults there are, and a random schedule of them: the same for the same seed. Pure.

`deploy.verify_faults` carries them out. A deck of all the kinds asked for is shuffled and dealt, again and again, so
that a run that is long enough meets every kind, in an order that no two seeds share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from runtime.errors import UsageError
from runtime.graph import TaskGraph
from runtime.network import HOME


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault."""

    name: str
    what: str
    victims: str = ""
    """Who may be hit: `tasks`, `joins`, `nodes`, `lines` (nodes and the gateway), or nobody in particular."""
    lasts_s: tuple[float, float] = (0.0, 0.0)
    count: tuple[int, int] = (1, 1)
    """How many times, events or inputs; what that means is the kind's own."""
    copies: int = 1
    """In a deck."""


KINDS = (
    Kind("worker-before-send", "kill -9 of a worker with its outputs made and not sent", "tasks", count=(1, 40)),
    Kind("worker-after-send", "kill -9 of a worker between sending and reporting", "tasks", count=(1, 40)),
    Kind("worker-after-report", "kill -9 of a worker after it reported", "tasks", count=(1, 40)),
    Kind("kill-worker", "kill -9 of a worker at any moment", "tasks"),
    Kind("kill-gateway", "kill -9 of the gateway"),
    Kind("kill-agent", "kill -9 of an agent; its workers die with it", "nodes"),
    Kind("kill-dispatcher", "kill -9 of the dispatcher"),
    Kind("kill-mapper", "kill -9 of the mapper"),
    Kind("stop-worker", "SIGSTOP of a worker beyond its lease, then SIGCONT (zombie)", "tasks", (6.0, 8.0)),
    Kind("stop-gateway", "SIGSTOP of the gateway beyond its lease, then SIGCONT (zombie)", "", (6.0, 8.0)),
    Kind("stop-agent", "SIGSTOP of an agent, then SIGCONT; its workers go on", "nodes", (6.0, 8.0)),
    Kind("stop-server", "SIGSTOP of nats-server, also beyond every time-out, then SIGCONT", "", (6.0, 40.0)),
    Kind("kill-server", "kill -9 of nats-server, three times in a row", count=(3, 3)),
    Kind("term-server", "SIGTERM of nats-server, three times in a row", count=(3, 3)),
    Kind("kill-everything", "kill -9 of nats-server and of every component, at the same time"),
    Kind("cut", "every connection of a node or the gateway reset, and none let through", "lines", (0.2, 7.0)),
    Kind("cut-off", "the same for so long that what is cut off may not go on as what it was", "lines", (31.0, 36.0)),
    Kind("half-open", "the peer of every connection of a node or the gateway vanishes without a word", "lines"),
    Kind("slow", "50 to 200 ms and 0.5 MB/s on the line of a node or the gateway", "lines", (1.0, 4.0)),
    Kind("lost-puback", "acknowledgements to the producer lost, the server killed before it tries again"),
    Kind("lost-answers", "what the server answers a node's workers is lost, then the connections end", "nodes"),
    Kind("lost-requests", "what a node or the gateway sends is lost beyond its lease, then reset", "lines", (5.5, 7.0)),
    Kind("egress-full", "nobody reads results until the egress is full, then it is read", "", (1.0, 3.0)),
    Kind("ingress-full", "inputs faster than they are taken, until the ingress refuses"),
    Kind("disk-full", "the server's storage limit is reached, then there is room again", "", (1.0, 7.0)),
    Kind("poison", "inputs that cannot be processed, of different kinds, among the others", count=(2, 10)),
    Kind("leave", "SIGTERM of a worker in the middle of joins", "joins"),
    Kind("move", "a task moves to another node under load", "joins"),
    Kind("two-at-once", "two different faults, the second before the first has healed", copies=4),
)
TWO = "two-at-once"
BY_NAME = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of the schedule."""

    number: int
    kind: Kind
    victim: str
    delay_s: float
    """Under load, before it happens."""
    lasts_s: float
    count: int
    chance: float
    """Drawn for whatever else the kind leaves open, from 0 to 1."""
    parts: tuple[Fault, ...] = ()
    """The faults that it consists of."""

    def __str__(self) -> str:
        if self.parts:
            return " and ".join(str(part) for part in self.parts)
        parts = [self.kind.name, self.victim]
        parts += [f"{self.lasts_s:.1f} s"] if self.lasts_s else []
        parts += [f"x{self.count}"] if self.count > 1 else []
        return " ".join(part for part in parts if part)


def chosen(names: str | None) -> tuple[Kind, ...]:
    """The kinds of a comma-separated list, or all; `-name` leaves one out."""
    given = [name.strip() for name in (names or "").split(",") if name.strip()]
    for name in given:
        if name.removeprefix("-") not in BY_NAME:
            raise UsageError(f"there is no fault {name!r}; the faults are {', '.join(BY_NAME)}")
    wanted = [name for name in given if not name.startswith("-")] or list(BY_NAME)
    return tuple(kind for name, kind in BY_NAME.items() if name in wanted and f"-{name}" not in given)


def schedule(seed: int, kinds: Sequence[Kind], graph: TaskGraph, nodes: Sequence[str]) -> Iterator[Fault]:
    """Faults without end."""
    rng = Random(f"faults {seed}")
    victims = {
        "tasks": list(graph.tasks),
        "joins": [task for task in graph.tasks if graph.is_join(task)] or list(graph.tasks),
        "nodes": list(nodes),
        "lines": [*nodes, "gateway"],
    }
    deck = [kind for kind in kinds for _ in range(kind.copies)]
    single = [kind for kind in kinds if kind.name != TWO] or [kind for kind in KINDS if kind.name != TWO]
    number = 0
    while True:
        for kind in rng.sample(deck, len(deck)):
            number += 1
            parts: tuple[Fault, ...] = ()
            if kind.name == TWO:
                both = rng.sample(single, min(2, len(single)))
                parts = tuple(_drawn(rng, number, each, victims) for each in both)
            yield _drawn(rng, number, kind, victims, parts)


def _drawn(
    rng: Random, number: int, kind: Kind, victims: Mapping[str, Sequence[str]], parts: tuple[Fault, ...] = ()
) -> Fault:
    return Fault(
        number=number,
        kind=kind,
        victim=rng.choice(victims.get(kind.victims, [""])),
        delay_s=rng.uniform(0.2, 0.8),
        lasts_s=rng.uniform(*kind.lasts_s),
        count=rng.randint(*kind.count),
        chance=rng.random(),
        parts=parts,
    )


def spread(graph: TaskGraph, nodes: Sequence[str]) -> dict[str, str]:
    """A mapping that leaves no two neighbours on one node where that can be helped, so that all lines carry data."""
    places = [node for node in nodes if node != HOME] or list(nodes)
    return {
        task.name: task.pin or places[number % len(places)]
        for number, task in enumerate(graph.tasks[name] for name in graph.order)
    }
