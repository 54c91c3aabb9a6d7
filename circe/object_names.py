"""How objects are called and what is noted on them, so that it can be told what each belongs to. Pure.

What a task puts names its root, so that all that an input led to goes when it has ended, pieces of unfinished writes
too. The digest is in the name as well: an attempt that gives other bytes does not take from a reader what it reads.
An object that a producer put is noted by the heads of the inputs that name it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

OWN = "item"
INPUTS_NOTE = "jupiter-inputs"
"""Sequences of the inputs that name the object."""
STORES_NOTE = "jupiter-stores"
"""Where messages lie that name the object: results in the egress, items in the queue of a task."""
MAX_ID_CHARS = 200
"""Longer ids of items are hashed."""
_NAME = re.compile(rf"{OWN}/([^/]+)/(\d+)/")
_TOKEN = re.compile(rf"{OWN}-(.+)-(\d+)-[0-9a-f]+")


class Root(NamedTuple):
    """One input of one queue."""

    queue: str
    """`home`, or the task that reads it."""
    sequence: int


def object_name(root: Root, task: str, item_id: str, number: int, sha256: str) -> str:
    """Of a task's output."""
    if len(item_id) > MAX_ID_CHARS:
        item_id = hashlib.sha256(item_id.encode()).hexdigest()
    return f"{OWN}/{root.queue}/{root.sequence}/{task}/{item_id}/{number}-{sha256[:16]}"


def owner_token(root: Root) -> str:
    """What its pieces' names begin with."""
    return f"{OWN}-{root.queue}-{root.sequence}-"


def root_of_name(name: str) -> Root | None:
    """The root of an output's object; None of one that a producer put."""
    found = _NAME.match(name)
    return Root(found[1], int(found[2])) if found else None


def root_of_pieces(nuid: str) -> Root | None:
    """The same from the name of its pieces."""
    found = _TOKEN.fullmatch(nuid)
    return Root(found[1], int(found[2])) if found else None


class Place(NamedTuple):
    """Of one such message."""

    child: str
    """`home` for the egress, or the task whose queue it is."""
    subject: str


def stores_note(places: Iterable[Place]) -> dict[str, str]:
    return {STORES_NOTE: ",".join(f"{place.child} {place.subject}" for place in places)}


def places_of(metadata: Mapping[str, str]) -> tuple[Place, ...]:
    """Where messages that name an object may lie."""
    pairs = [each.partition(" ") for each in metadata.get(STORES_NOTE, "").split(",") if " " in each]
    return tuple(Place(child, subject) for child, _, subject in pairs)


def inputs_of(metadata: Mapping[str, str]) -> frozenset[int]:
    """The inputs that name an object."""
    return frozenset(int(each) for each in metadata.get(INPUTS_NOTE, "").split(",") if each.isdigit())


def inputs_note(inputs: frozenset[int]) -> str:
    return ",".join(map(str, sorted(inputs)))
