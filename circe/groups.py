"""A gather's groups as bytes: the payload that `process` gets as a list, and the journal. msgpack. Pure.

The journal of a gather is one message, its whole state: what has ended, and which groups are closed. Each write
replaces the one before and expects it, so a process that has been replaced cannot write any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import accumulate
from typing import Any, NamedTuple

import msgpack

from circe.replay import OWN
from runtime import subjects
from runtime.graph import MOST_GATHERED

MOST_ID_CHARS = 100
"""The journal has the ids of all closed groups."""
STATE_BYTES = 128
"""What the journal needs for one item, at most: a group of its own, with its id."""
MEMBER_BYTES = 5
"""What a member's payload costs beyond itself in a group's."""
MOST_ITEMS = 2 * MOST_GATHERED
"""What a gather holds, half of it in open groups: the journal's message may name them all."""


Headers = Mapping[str, str] | None


class Group(NamedTuple):
    """A closed group: the same members under the same id, whoever runs it and however often."""

    root: int
    """The number of its lineage: the lowest of its members', so no other group has it."""
    item_id: str
    sequences: tuple[int, ...]
    """Of its members in the gather's queue, in the order they came."""


class State(NamedTuple):
    """What survives a gather's process: items up to `high` have ended but for those that are named."""

    source: str = ""
    """Which queue the sequences are of: another one under the same name begins anew."""
    high: int = 0
    open: frozenset[int] = frozenset()
    """Below `high`, neither ended nor in a closed group."""
    groups: tuple[Group, ...] = ()
    """Closed and not ended."""


def group_id(first_id: str, key: str) -> str:
    """From the id of the first member, which is in no other group, and the key as part of a subject; long, a hash."""
    found = f"{first_id}.~{subjects.escape_id(key)}"
    if len(found) <= MOST_ID_CHARS:
        return found
    run = first_id.partition("-")[0]
    return f"{run}-~=G{sha256(found.encode()).hexdigest()}"


def pack(payloads: Iterable[bytes]) -> bytes:
    """A group's payload."""
    packed: bytes = msgpack.packb(list(payloads))
    return packed


def unpack(payload: bytes) -> list[bytes]:
    """The payloads of the members; raises ValueError on what is no group."""
    members = _unpacked(payload)
    if not isinstance(members, list) or not all(type(member) is bytes for member in members):
        raise ValueError("not a group of items")
    return members


def headers_of_group(headers: Headers) -> dict[str, str]:
    """Of its first member's, what tells where that comes from: the members' own are not the group's."""
    return {name: value for name, value in (headers or {}).items() if name in OWN}


def marked(headers: Headers, task: str) -> dict[str, str]:
    """Of a group that comes again, from a dead letter, as one item of the queue of its gather."""
    return {**(headers or {}), subjects.GROUP_HEADER: task}


def is_marked(headers: Headers, task: str) -> bool:
    return headers is not None and headers.get(subjects.GROUP_HEADER) == task


def unmarked(headers: Headers) -> dict[str, str]:
    return {name: value for name, value in (headers or {}).items() if name != subjects.GROUP_HEADER}


def shown(payload: bytes) -> bytes | list[bytes]:
    """The members, for a dead letter; what is no group as it is, because its letter must be written all the same."""
    try:
        return unpack(payload)
    except ValueError:
        return payload


def encode_state(state: State, writer: str, number: int) -> bytes:
    """The journal's message; writer and number tell one's own write from another's."""
    groups = [[group.root, group.item_id, _differences(group.sequences)] for group in state.groups]
    row = [writer, number, state.source, state.high, _differences(sorted(state.open)), groups]
    packed: bytes = msgpack.packb(row)
    return packed


def decode_state(payload: bytes) -> tuple[State, str, int]:
    """State, writer and number; raises ValueError on anything but a journal's message."""
    row = _unpacked(payload)
    try:
        writer, number, source, high, open_, groups = row
        state = State(str(source), int(high), frozenset(accumulate(open_)), tuple(_group(*each) for each in groups))
        return state, str(writer), int(number)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"not the journal of a gather: {error}") from error


def _group(root: int, item_id: str, steps: Sequence[int]) -> Group:
    return Group(root, item_id, tuple(accumulate(steps)))


def _unpacked(payload: bytes) -> Any:
    try:
        return msgpack.unpackb(payload, max_array_len=MOST_ITEMS, max_map_len=0, max_ext_len=0)
    except (msgpack.UnpackException, ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"not a message of ours: {error}") from error


def _differences(sequences: Sequence[int]) -> list[int]:
    """Neighbours differ by little, and little numbers take one byte."""
    return [each - before for before, each in zip((0, *sequences), sequences, strict=False)]
