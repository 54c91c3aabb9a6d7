"""Concrete subjects of the whole scheme, drawn from `runtime.subjects` itself: a new name is in it by itself."""

from __future__ import annotations

import inspect
from itertools import product

from runtime import subjects

APPS = ("example", "other")
NODES = ("home", "node1")
VALUES: dict[str, tuple[str, ...]] = {
    "name": APPS,
    "app_name": APPS,
    "node": NODES,
    "source": NODES,
    "sender": NODES,
    "task": ("split",),
    "incarnation": ("split-0a1b",),
    "head": ("gateway-0a1b",),
    "item_id": ("r-1.2",),
    "kind": ("ping",),
}
"""What stands for an argument of that name."""
NO_SUBJECTS = {"node_token", "node_name", "escape_id", "inbox_of_user", "everything", "objects"}


def names() -> list[str]:
    """Every function of `runtime.subjects` that makes a subject."""
    found = inspect.getmembers(subjects, inspect.isfunction)
    mine = [name for name, each in found if each.__module__ == subjects.__name__ and not name.startswith("_")]
    return [name for name in mine if name not in NO_SUBJECTS and not name.endswith(("_stream", "_consumer"))]


def examples(name: str) -> set[str]:
    """The subjects that one of them makes."""
    function = getattr(subjects, name)
    return {function(*given) for given in product(*(VALUES[each] for each in inspect.signature(function).parameters))}


def streams(app: str) -> tuple[str, ...]:
    """The streams of an application."""
    ends = (subjects.ingress_stream(app), subjects.egress_stream(app), subjects.dead_stream(app))
    return (*ends, subjects.queue_stream(app, "split"))


def matches(pattern: str, subject: str) -> bool:
    """Whether a subject, or every subject of a pattern, matches the pattern."""
    wanted, found = pattern.split("."), subject.split(".")
    for index, token in enumerate(wanted):
        if token == ">":
            return len(found) > index
        if index >= len(found) or found[index] == ">" or (token != "*" and token != found[index]):
            return False
    return len(found) == len(wanted)
