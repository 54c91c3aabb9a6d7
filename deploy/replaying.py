"""Which inputs enter again for which dead letters. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from circe.replay import MOST_OWED, Replay, decode
from runtime import subjects
from runtime.errors import UsageError
from runtime.graph import TaskGraph
from runtime.message import encode_headers
from runtime.network import HOME
from runtime.reference import Payload, from_record


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """One input to be sent again."""

    task: str | None
    """The entry task it is for; None for all of them."""
    queue: str
    """Where it enters: `home`, the ingress, or a task with a queue of its own."""
    item_id: str
    payload: Payload
    headers: Mapping[str, str]
    letters: tuple[int, ...]
    """Numbers of the letters that it makes up for, in their order."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about some letters."""

    again: tuple[Again, ...]
    kept: int
    """Letters that nothing can be done about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Root:
    """The input behind a letter."""

    sequence: int
    item_id: str
    task: str | None
    queue: str
    payload: Payload
    headers: Mapping[str, str]


def plan(letters: Sequence[Mapping[str, Any]], graph: TaskGraph) -> Plan:
    """One input for all letters that descend from it; in several rounds when there are very many."""
    roots: dict[tuple[int, str, str], _Root] = {}
    owed: dict[tuple[int, str, str], list[tuple[int, str, str]]] = {}
    kept = 0
    for letter in letters:
        root = _root(letter, graph)
        if root is None:
            kept += 1
            continue
        key = (root.sequence, root.queue, root.item_id)
        roots.setdefault(key, root)
        owed.setdefault(key, []).append((letter["number"], letter["task"], letter["id"]))
    again = [
        _again(root, owed[key][start : start + MOST_OWED])
        for key, root in roots.items()
        for start in range(0, len(owed[key]), MOST_OWED)
    ]
    return Plan(tuple(again), kept)


def _again(root: _Root, owed: Sequence[tuple[int, str, str]]) -> Again:
    pairs = tuple(dict.fromkeys((task, item_id) for _, task, item_id in owed))
    replay = Replay(root.sequence, root.item_id, pairs)
    return Again(
        task=root.task,
        queue=root.queue,
        item_id=root.item_id,
        payload=root.payload,
        headers={**root.headers, subjects.REPLAY_HEADER: replay.encode()},
        letters=tuple(number for number, _, _ in owed),
    )


def _root(letter: Mapping[str, Any], graph: TaskGraph) -> _Root | None:
    """The input behind a letter; None when it is not known. Letters may have been written by anybody."""
    sequence, item_id, task = letter.get("sequence"), letter.get("id"), letter.get("task")
    if type(sequence) is not int or not isinstance(item_id, str) or not isinstance(task, str):
        return None
    kept = letter.get("input")
    match letter.get("root"):
        case {"id": str(root_id), "task": (None | str()) as entry, "headers": dict(headers), **rest}:
            payload, queue = original(rest.get("input", kept)), rest.get("queue", HOME)
        case None if task in graph.entries:
            root_id, entry, headers, payload, queue = item_id, task, {}, original(kept), HOME
        case None if task in graph.queues:
            root_id, entry, headers, payload, queue = item_id, None, {}, original(kept), task
        case _:
            return None
    if payload is None or not (entry is None or subjects.NAME.fullmatch(entry)):
        return None
    if queue != HOME and queue not in graph.queues:
        return None  # nothing reads there any more
    try:
        decode(Replay(sequence, root_id, ((task, item_id),)).encode())
        plain = {str(name): str(value) for name, value in headers.items() if name != subjects.REPLAY_HEADER}
        encode_headers(plain)
    except (ValueError, TypeError, UsageError):  # the gateway would not take it
        return None
    return _Root(sequence=sequence, item_id=root_id, task=entry, queue=queue, payload=payload, headers=plain)


def original(kept: object) -> Payload | None:
    """The payload that a letter keeps; None when it keeps none that could be sent again."""
    if not isinstance(kept, dict):
        return None
    if (reference := from_record(kept)) is not None:
        return reference
    text, encoded = kept.get("text"), kept.get("base64")
    try:
        if isinstance(text, str) and set(kept) == {"text"}:
            return text.encode()
        if isinstance(encoded, str) and set(kept) == {"base64"}:
            return base64.b64decode(encoded, validate=True)
    except ValueError:  # what was written there is no payload
        return None
    return None
