"""Frames, reports and control messages as bytes (msgpack), decoded with limits.

A message that does not decode raises ValueError, and its receiver counts and refuses it. Payloads stay
opaque: nothing here looks inside. What becomes part of a subject or a header later is checked here: there it would
take with it all that is sent in the same turn.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgpack

from runtime.item import Control, Frame, Part, Report
from runtime.reference import Reference, from_row

MAX_PARTS = 1 << 16
MAX_ID_CHARS = 4096
MAX_NAME_CHARS = 256
MAX_REASON_CHARS = 64
MAX_COUNT = 1 << 53
"""Above, sums would not fit into what msgpack and JSON readers take."""
LARGE_BYTES = 512 << 10
"""A larger frame holds one large part. In a message full of empty lists a byte costs 60 bytes of memory."""
LARGE_LISTS = 16
_NAME = re.compile(r"[A-Za-z0-9_=~-]+")
_IDS = re.compile(r"[A-Za-z0-9_=~-]+(?:[. ][A-Za-z0-9_=~-]+)*")
_BREAK = re.compile(r"[\r\n]")
_unpack_errors = (msgpack.UnpackException, ValueError, TypeError, RecursionError)


def encode_frame(frame: Frame) -> bytes:
    packed: bytes = msgpack.packb(frame)
    return packed


def encode_report(report: Report) -> bytes:
    packed: bytes = msgpack.packb(report)
    return packed


def encode_control(control: Control) -> bytes:
    packed: bytes = msgpack.packb(control)
    return packed


def decode_frame(data: bytes) -> Frame:
    """Raises ValueError on anything but a well-formed frame."""
    sender, number, position, position_bytes, source, head, rows = _unpack(data, 7, LARGE_LISTS)
    counts = (number, position, position_bytes)
    if not (_is_name(sender, source, head) and _is_count(*counts) and isinstance(rows, list)):
        raise ValueError("a frame with a header of the wrong types")
    try:
        for row in rows:
            if type(row[4]) is list:  # what a reference is on the wire
                row[4] = from_row(row[4])
        parts = [Part(*row) for row in rows]
    except (TypeError, LookupError) as error:
        raise ValueError("a frame with a part of the wrong shape") from error
    for part in parts:
        _check_part(part)
    if parts and not _are_ids([part.item_id for part in parts]):
        raise ValueError("a frame with a part whose id is none")
    return Frame(sender, number, position, position_bytes, source, head, parts)


def decode_report(data: bytes) -> Report:
    """Raises ValueError on anything but a well-formed report."""
    sender, number, rows = _unpack(data, 3)
    if not (_is_name(sender) and _is_count(number) and isinstance(rows, list)):
        raise ValueError("a report with a header of the wrong types")
    entries = []
    for row in rows:
        if not isinstance(row, list) or len(row) != 3 or not _is_count(row[0], row[1]) or not _is_mid(row[2]):
            raise ValueError("a report with an entry of the wrong shape")
        entries.append((row[0], row[1], row[2]))
    return Report(sender, number, entries)


def decode_control(data: bytes) -> Control:
    """Raises ValueError on anything but a well-formed control message."""
    sender, granted, granted_bytes, rows = _unpack(data, 4)
    is_grant = (granted is None or _is_count(granted)) and _is_count(granted_bytes)
    if not _is_name(sender) or not is_grant or not isinstance(rows, list):
        raise ValueError("a control message with a header of the wrong types")
    over = []
    for row in rows:
        if not isinstance(row, list) or len(row) != 3 or not _is_count(row[0], row[1]):
            raise ValueError("a control message with an entry of the wrong shape")
        over.append((row[0], row[1], bool(row[2])))
    return Control(sender, granted, granted_bytes, over)


def _unpack(data: bytes, fields: int, large_lists: int = MAX_PARTS) -> list[Any]:
    # Room for a list is made as soon as its length is read: no more than the message can hold.
    longest = min(MAX_PARTS, len(data))
    count = _counter(large_lists) if len(data) > LARGE_BYTES else None
    try:
        value = msgpack.unpackb(
            data, max_array_len=longest, max_map_len=256, max_ext_len=0, list_hook=count, object_hook=count
        )
    except _unpack_errors as error:
        raise ValueError(f"not a message of ours: {error}") from error
    if not isinstance(value, list) or len(value) != fields:
        raise ValueError("not a message of ours: wrong number of fields")
    return value


def _counter(most: int) -> Callable[[Any], Any]:
    """Takes lists and maps as they are unpacked, up to so many."""
    left = most

    def count(value: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise ValueError("too many lists in it")
        return value

    return count


def _check_part(part: Part) -> None:
    # Once per part on the hot path, so it is spelled out.
    root, attempt, mid, item_id, payload, reason, headers = part
    if not (
        type(root) is int
        and type(attempt) is int
        and type(mid) is int
        and 0 <= root < MAX_COUNT
        and 0 <= attempt < MAX_COUNT
        and mid >= 0
        and type(item_id) is str
        and len(item_id) <= MAX_ID_CHARS
        and (payload is None or type(payload) is bytes or type(payload) is Reference)
        and type(reason) is str
        and len(reason) <= MAX_REASON_CHARS
        and (headers is None or (type(headers) is dict and _are_headers(headers)))
    ):
        raise ValueError("a frame with a part of the wrong types")


def _is_name(*values: object) -> bool:
    """One token of a subject each."""
    return all(type(each) is str and len(each) <= MAX_NAME_CHARS and _NAME.fullmatch(each) for each in values)


def _are_headers(headers: dict[Any, Any]) -> bool:
    return all(type(each) is str and not _BREAK.search(each) for pair in headers.items() for each in pair)


def is_id(item_id: str) -> bool:
    """Whether an item of that id could travel in a frame."""
    return len(item_id) <= MAX_ID_CHARS and _are_ids([item_id])


def _are_ids(ids: list[str]) -> bool:
    """All at once, in a third of the time."""
    joined = " ".join(ids)
    return joined.count(" ") == len(ids) - 1 and _IDS.fullmatch(joined) is not None


def _is_mid(value: object) -> bool:
    """msgpack itself has no number above 64 bits."""
    return type(value) is int and value >= 0


def _is_count(*values: object) -> bool:
    """Whole numbers from 0."""
    for value in values:  # noqa: SIM110 - a generator costs three times as much, once per entry of a report
        if type(value) is not int or not 0 <= value < MAX_COUNT:
            return False
    return True
