"""Payload codecs of applications, and records on the bus.

Rule of the house: what people may read (records, results' envelopes) is JSON; what machines alone
exchange at rate (frames, reports, credit: `runtime.frames`) is msgpack.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import msgpack

MAX_RECORD_BYTES = 4 << 20
MAX_RECORD_LISTS = 1 << 17
"""Each takes sixty times its two bytes in memory."""


class Codec(NamedTuple):
    """How user code's values become bytes and back."""

    name: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def _bytes(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"codec bytes: the task returned {type(value).__name__}; return bytes, or set another codec")


def _text(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    raise TypeError(f"codec text: the task returned {type(value).__name__}; return str, or set another codec")


_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

FILES = "bytes"
"""The codec whose values may be files: `pathlib.Path`s."""
CODECS = {
    codec.name: codec
    for codec in (
        Codec("bytes", _bytes, bytes),
        Codec("text", _text, lambda payload: payload.decode()),
        Codec("json", lambda value: _to_json(value).encode(), json.loads),
        Codec("msgpack", msgpack.packb, lambda payload: msgpack.unpackb(payload, strict_map_key=False)),
    )
}


def _refuse_constant(name: str) -> None:
    raise ValueError(f"a record with {name}, which is no JSON")


_from_json = json.JSONDecoder(parse_constant=_refuse_constant).decode


def encode_record(record: dict[str, Any]) -> bytes:
    """A record as JSON bytes, keys in a fixed order."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def decode_record(payload: bytes) -> dict[str, Any]:
    """A record from the bus; raises ValueError on anything but a JSON object of reasonable size."""
    if len(payload) > MAX_RECORD_BYTES:
        raise ValueError(f"a record of {len(payload)} bytes; the limit is {MAX_RECORD_BYTES}")
    if payload.count(b"[") + payload.count(b"{") > MAX_RECORD_LISTS:
        raise ValueError(f"a record of more than {MAX_RECORD_LISTS} lists and objects")
    try:
        record = _from_json(payload.decode())
    except RecursionError as error:
        raise ValueError("a record nested too deeply") from error
    if not isinstance(record, dict):
        raise ValueError(f"a record must be a JSON object, not {type(record).__name__}")
    return record
