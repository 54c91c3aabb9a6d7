"""Which output of an item goes to which child, under which id; and who is owed an absence. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar
from zlib import crc32

from runtime.item import output_id

Given = bytes | Path
"""What user code gives: bytes, or a file that holds them."""
T = TypeVar("T")
"""What an output is at the moment: what user code gave, or a payload that can travel."""

FILTERED = "filtered"
NOT_CHOSEN = "not chosen"


class Output(NamedTuple, Generic[T]):
    """One encoded output of user code."""

    payload: T
    to: str | None = None
    """One child, or all of them."""
    returned: bool = True
    """A returned value keeps the item's id when it is all that there is; otherwise outputs are counted per child.

    Beside `x.1` none may be called `x`: a task further on would make an `x.1` of that, and two items would be one.
    """


class Addressed(NamedTuple, Generic[T]):
    """What one child gets under one id; a payload of None is an absence."""

    child: str
    item_id: str
    payload: T | None
    reason: str = ""


def chosen(route: str, key: str, children: Sequence[str]) -> str:
    """The one child that an output goes to when it is not for all of them.

    `round_robin` spreads by the item's id and `by_key` by what `key(value)` says; both choose the same child
    when the item runs again, so that its results are recognised.
    """
    if route not in ("round_robin", "by_key"):
        raise ValueError(f"there is no route {route!r}")
    return children[crc32(key.encode()) % len(children)]


class BranchError(Exception):
    """A second output where a later join needs at most one."""


def address(
    item_id: str, outputs: Sequence[Output[T]], children: Sequence[str], *, one_to_one: bool
) -> list[Addressed[T]]:
    """Give every output its child and id, and every child an answer under every id.

    `one_to_one` marks a task between a fork and its join: its one output keeps the item's id however it was
    given, and a second to the same child raises BranchError.
    """
    if len(outputs) == 1 and outputs[0].to is None and (outputs[0].returned or one_to_one):
        payload = outputs[0].payload
        return [Addressed(child, item_id, payload) for child in children]
    by_child = {child: _ids(item_id, outputs, child, one_to_one) for child in children}
    ids = dict.fromkeys(found for per_child in by_child.values() for found in per_child)
    if not ids:
        return [Addressed(child, item_id, None, FILTERED) for child in children]
    addressed = []
    for child, per_child in by_child.items():
        for found in ids:
            payload_or_none = per_child.get(found)
            reason = NOT_CHOSEN if payload_or_none is None else ""
            addressed.append(Addressed(child, found, payload_or_none, reason))
    return addressed


def heard_ids(item_id: str, outputs: Sequence[Output[T]], children: Sequence[str], *, one_to_one: bool) -> list[str]:
    """The id of every output, as its child knows it (the first child, of one that goes to all)."""
    to_all, to_child, ids = 0, Counter[str](), []
    for output in outputs:
        if one_to_one or (len(outputs) == 1 and output.returned):
            ids.append(item_id)
            continue
        if output.to is None:
            to_all += 1
        else:
            to_child[output.to] += 1
        child = output.to or (children[0] if children else "")
        ids.append(output_id(item_id, to_all + to_child[child]))
    return ids


def _ids(item_id: str, outputs: Sequence[Output[T]], child: str, one_to_one: bool) -> dict[str, T]:
    found: dict[str, T] = {}
    count = 0
    for output in outputs:
        if output.to not in (None, child):
            continue
        if one_to_one:
            if found:
                raise BranchError(f"a second output to {child}")
            found[item_id] = output.payload
        elif output.returned and len(outputs) == 1:
            found[item_id] = output.payload
        else:
            count += 1
            found[output_id(item_id, count)] = output.payload
    return found
