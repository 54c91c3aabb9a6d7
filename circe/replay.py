"""An input that enters again because of dead letters: which input it was, and which answers are still owed. Pure.

`jupiter dead replay` writes it into a header of the input; it travels with every part. The input keeps its id and
counts as the input it was, whatever sequence it has now, so that a result that is already there is recognised. Only
what descends from the items that failed is a result of it: the other results may have been read and let go since.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from runtime import subjects
from runtime.graph import TaskGraph
from runtime.item import root_id
from runtime.network import HOME
from runtime.reference import OBJECT_HEADER

MOST_OWED = 20
"""The header is copied with every part."""
MOST_CHARS = 8192
OWN = frozenset({subjects.INPUT_HEADER, subjects.QUEUE_HEADER, subjects.GROUP_HEADER})
"""Ours alone to write, below a queue."""
OF_THE_MESSAGE = ("Nats-", OBJECT_HEADER, subjects.OUTPUTS_HEADER)
"""What headers begin with that tell of one message alone, and do not travel with what follows from it."""
_ID = re.compile(r"[A-Za-z0-9_=~-]+(\.[A-Za-z0-9_=~-]+)*")
_ID_CHARS = 1000


@dataclass(frozen=True, slots=True)
class Replay:
    """What the header says."""

    sequence: int
    """The input's first one in the ingress."""
    item_id: str
    owed: tuple[tuple[str, str], ...]
    """(task, item id) of the dead letters."""

    def encode(self) -> str:
        return json.dumps([self.sequence, self.item_id, self.owed], separators=(",", ":"))


@lru_cache(maxsize=256)
def decode(text: str) -> Replay:
    """Read a header; raises ValueError on one that nobody of ours wrote."""
    try:
        found = json.loads(text) if len(text) <= MOST_CHARS else None
    except RecursionError:
        found = None
    match found:
        case [int(sequence), str(item_id), list(rows)] if sequence > 0 and len(rows) <= MOST_OWED:
            owed = tuple(_pair(row) for row in rows)
        case _:
            raise ValueError("this header is not of a replayed input")
    _check(item_id)
    return Replay(sequence, item_id, owed)


def _pair(row: object) -> tuple[str, str]:
    match row:
        case [str(task), str(item_id)]:
            _check(item_id)
            return task, item_id
    raise ValueError("a replayed input owes something that is no item")


def _check(item_id: str) -> None:
    # It becomes part of a subject, where anything else could mean something to the server.
    if len(item_id) > _ID_CHARS or not _ID.fullmatch(item_id):
        raise ValueError("a replayed input names an item by what is no id")


def replayed(headers: Mapping[str, str], run: str, sequence: int) -> Replay | None:
    """Which earlier input an input is, if it is one; raises ValueError on what cannot be true."""
    text = headers.get(subjects.REPLAY_HEADER)
    if text is None:
        return None
    found = decode(text)
    if found.sequence >= sequence or not found.item_id.startswith(f"{run}-"):
        raise ValueError("a replayed input must have entered here before")
    return found


def identify(headers: Mapping[str, str], run: str, sequence: int) -> tuple[str, Mapping[str, str] | None]:
    """An input's id, and the headers that travel with it; raises ValueError like `replayed`."""
    if not headers:  # the usual case
        return root_id(run, sequence, None), None
    found = replayed(headers, run, sequence)
    kept = {name: value for name, value in headers.items() if not name.startswith(OF_THE_MESSAGE) and name not in OWN}
    item_id = root_id(run, sequence, headers.get(subjects.MESSAGE_ID_HEADER)) if found is None else found.item_id
    return item_id, kept or None


def queue_of(headers: Mapping[str, str] | None) -> str:
    """The queue whose item a part descends from."""
    return headers.get(subjects.QUEUE_HEADER, "").rpartition(" ")[0] or HOME if headers else HOME


def replay_of(headers: Mapping[str, str] | None) -> Replay | None:
    """The same of an item's headers. The gateway lets nothing else pass; what did not come from it is no replay."""
    text = headers.get(subjects.REPLAY_HEADER) if headers else None
    if text is None:
        return None
    try:
        return decode(text)
    except ValueError:
        return None


def origin_of(root: int, headers: Mapping[str, str] | None) -> int:
    """The sequence of the input that an item descends from, in the ingress that it entered first.

    Below a queue the item itself tells it: `root` is a sequence in the queue.
    """
    found = replay_of(headers)
    if found is not None:
        return found.sequence
    given = headers.get(subjects.INPUT_HEADER, "") if headers else ""
    return int(given) if given.isdigit() else root


def is_owed(replay: Replay, graph: TaskGraph, task: str, item_id: str) -> bool:
    """Whether a result of `task` was not there before: it comes from an item that was a dead letter."""
    if not _descends(item_id, replay.item_id):
        return True  # a group's, for one: its id tells nothing of where it comes from
    return any(_is_below(graph, failed, task) and _descends(item_id, dead) for failed, dead in replay.owed)


def _is_below(graph: TaskGraph, failed: str, task: str) -> bool:
    # What failed may have been the gateway, or a task that another version of the application had.
    return failed not in graph.tasks or task in graph.below(failed)


def _descends(item_id: str, ancestor: str) -> bool:
    return item_id == ancestor or item_id.startswith(f"{ancestor}.")
