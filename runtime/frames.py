"""Frames, reports and control messages as bytes (msgpack), decoded with limits.

A message that does not decode raises ValueError, and its receiver counts and refuses it. Payloads stay
opaque: nothing here looks inside.
"""

from __future__ import annotations

from typing import Any

import msgpack

from runtime.item import Control, Frame, Part, Report

MAX_PARTS = 1 << 16
MAX_ID_CHARS = 4096
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
    sender, number, position, position_bytes, source, head, rows = _unpack(data, 7)
    counts = (number, position, position_bytes)
    if not (_is_text(sender, source, head) and _is_count(*counts) and isinstance(rows, list)):
        raise ValueError("a frame with a header of the wrong types")
    try:
        parts = [Part(*row) for row in rows]
    except TypeError as error:
        raise ValueError("a frame with a part of the wrong shape") from error
    for part in parts:
        _check_part(part)
    return Frame(sender, number, position, position_bytes, source, head, parts)


def decode_report(data: bytes) -> Report:
    """Raises ValueError on anything but a well-formed report."""
    sender, number, rows = _unpack(data, 3)
    if not (_is_text(sender) and _is_count(number) and isinstance(rows, list)):
        raise ValueError("a report with a header of the wrong types")
    entries = []
    for row in rows:
        if not isinstance(row, list) or len(row) != 3 or not _is_count(*row):
            raise ValueError("a report with an entry of the wrong shape")
        entries.append((row[0], row[1], row[2]))
    return Report(sender, number, entries)


def decode_control(data: bytes) -> Control:
    """Raises ValueError on anything but a well-formed control message."""
    sender, granted, granted_bytes, rows = _unpack(data, 4)
    is_grant = (granted is None or _is_count(granted)) and _is_count(granted_bytes)
    if not _is_text(sender) or not is_grant or not isinstance(rows, list):
        raise ValueError("a control message with a header of the wrong types")
    over = []
    for row in rows:
        if not isinstance(row, list) or len(row) != 3 or not _is_count(row[0], row[1]):
            raise ValueError("a control message with an entry of the wrong shape")
        over.append((row[0], row[1], bool(row[2])))
    return Control(sender, granted, granted_bytes, over)


def _unpack(data: bytes, fields: int) -> list[Any]:
    try:
        value = msgpack.unpackb(data, max_array_len=MAX_PARTS, max_map_len=256, max_ext_len=0)
    except _unpack_errors as error:
        raise ValueError(f"not a message of ours: {error}") from error
    if not isinstance(value, list) or len(value) != fields:
        raise ValueError("not a message of ours: wrong number of fields")
    return value


def _check_part(part: Part) -> None:
    # Once per part on the hot path, so it is spelled out.
    root, attempt, mid, item_id, payload, reason, headers = part
    if not (
        type(root) is int
        and type(attempt) is int
        and type(mid) is int
        and root >= 0
        and attempt >= 0
        and mid >= 0
        and type(item_id) is str
        and len(item_id) <= MAX_ID_CHARS
        and (payload is None or type(payload) is bytes)
        and type(reason) is str
        and (headers is None or type(headers) is dict)
    ):
        raise ValueError("a frame with a part of the wrong types")


def _is_text(*values: object) -> bool:
    return all(type(value) is str for value in values)


def _is_count(*values: object) -> bool:
    """Whole numbers from 0; msgpack itself has none above 64 bits."""
    for value in values:  # noqa: SIM110 - a generator costs three times as much, once per entry of a report
        if type(value) is not int or value < 0:
            return False
    return True
