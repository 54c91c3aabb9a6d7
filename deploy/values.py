"""Values of items as people read them: one JSON object a line. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring
from typing import Any

from runtime.reference import from_headers


def text(payload: bytes, decode: Callable[[bytes], Any]) -> str:
    """The value as JSON text; bytes that are no text become `{"base64": …}`."""
    try:
        value = decode(payload)
        return _dump(_plain(value) if isinstance(value, bytes) else value)
    except Exception:
        # Whatever the codec or the encoder finds wrong with it, the bytes themselves are not lost.
        return _dump(_plain(payload))


def shown(payload: bytes, headers: Mapping[str, str], decode: Callable[[bytes], Any]) -> str:
    """The value of a message; where it lies elsewhere, which object it is."""
    reference = from_headers(headers)
    return text(payload, decode) if reference is None else _dump(reference.to_record())


def line(item_id: str, position: int | None, task: str, value: str) -> bytes:
    """One result, `value` being JSON text."""
    place = "null" if position is None else position
    return f'{{"id":{encode_basestring(item_id)},"seq":{place},"task":"{task}","value":{value}}}\n'.encode()


def position(header: str | None) -> int | None:
    """The input's sequence, as a result or a tap's output carries it."""
    return int(header) if header and header.isdecimal() else None


def _dump(value: object) -> str:
    dumped = _encode(value)
    # Half a surrogate pair has no UTF-8 form: written as an escape it is still JSON.
    return dumped if dumped.isascii() or _has_utf8(dumped) else json.dumps(value, default=_plain)


def _has_utf8(dumped: str) -> bool:
    try:
        dumped.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain(value: object) -> object:
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} has no JSON form")
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain).encode
"""Made once: `json.dumps` with settings makes an encoder per call, which costs more than most values."""
