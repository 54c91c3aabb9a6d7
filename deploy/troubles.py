"""What keeps an application from going on, in sentences that say what to do: what is full, and what nobody reads. Pure.

From the plain values that `jupiter status --json` prints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from runtime.network import HOME
from runtime.units import size

FILLING = 0.8
"""From this share of its bound on it is worth a word."""
FULL = 0.99
NO_ROOM = "no_room."
"""Of a worker's rates: how many results wait for room in the queue of a task, `home` for the egress."""
LETTERS = "letters_waiting"


class Trouble(NamedTuple):
    """One thing that is not as it should be."""

    what: str
    todo: str
    stands: bool
    """Whether something stands still because of it."""

    def __str__(self) -> str:
        return f"{self.what}: {self.todo}"


def troubles(found: Mapping[str, Any]) -> list[Trouble]:
    """Of one application, what stands still first."""
    return sorted(_troubles(found), key=lambda trouble: not trouble.stands)


def _troubles(found: Mapping[str, Any]) -> Iterator[Trouble]:
    app = found["app"]
    letters = f"`jupiter dead {app} replay` or `jupiter dead {app} purge` makes room, or raise limits.dead_bytes"
    yield from _fullness("the stream of dead letters", found["dead"], _waiting(found, LETTERS), letters)
    yield from _fullness("the egress", found["egress"], _waiting(found, NO_ROOM + HOME), _egress_todo(found))
    for task, queue in found["queues"].items():
        name = f"the queue of {task}"
        if queue["head"] is None and queue["lag"] + queue["in_flight"]:
            waits = queue["lag"] + queue["in_flight"]
            yield Trouble(f"nobody reads {name}, where {waits:,} items wait", f"a worker of {task} must run", True)
        yield from _fullness(name, queue, _waiting(found, NO_ROOM + task), _queue_todo(task, queue))
    ingress = "its producers wait or are refused until the pipeline has taken some; or raise limits.ingress_bytes"
    yield from _fullness("the ingress", found["ingress"], 0, ingress)
    objects = "who writes one waits until inputs that have large items end; or raise limits.objects_bytes"
    yield from _fullness("the bucket of large items", found["objects"], 0, objects)


def _egress_todo(found: Mapping[str, Any]) -> str:
    unread = found["results_unread"]
    if not unread:
        return "all of it is read, and goes within two minutes; if that is often so, raise limits.egress_bytes"
    reader = f"a reader must acknowledge the consumer `results` of the stream jupiter-{found['app']}-egress"
    return f"nobody has read {unread:,} results; {reader}, or raise limits.egress_bytes"


def _queue_todo(task: str, queue: Mapping[str, Any]) -> str:
    if not queue["lag"]:
        return "what has ended goes within two minutes; if that is often so, raise limits.queue_bytes"
    return f"{queue['lag']:,} items wait for {task}; give it `replicas` if it is too slow, or raise limits.queue_bytes"


def _fullness(name: str, store: Mapping[str, int], waiting: int, todo: str) -> Iterator[Trouble]:
    share = store["bytes"] / store["max_bytes"] if store["max_bytes"] > 0 else 0.0
    amount = f"{size(store['bytes'])} of {size(store['max_bytes'])}"
    if waiting:
        yield Trouble(f"{name} ({amount}) has no room for {waiting:,} more", todo, True)
    elif share >= FULL:
        yield Trouble(f"{name} is full ({amount})", todo, True)
    elif share >= FILLING:
        yield Trouble(f"{name} is {share:.0%} full ({amount})", todo, False)


def _waiting(found: Mapping[str, Any], rate: str) -> int:
    return sum(int(worker["rates"].get(rate, 0)) for worker in found["workers"])
