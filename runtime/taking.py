"""Records from the bus as what they mean: decoded where they come in, refused with one line where they cannot be.

A record that somebody wrote by mistake must not end the process that reads it, nor pass for its absence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from runtime import codec
from runtime.message import Record
from runtime.refusals import refuse

Value = TypeVar("Value")
UNREADABLE = (ValueError, KeyError, TypeError)
"""What reading a record raises when it is not what it should be."""


def taking(
    read: Callable[[Mapping[str, Any]], Value],
    take: Callable[[Record, Value | None], None],
    on_refused: Callable[[Record, Exception], None] = lambda record, error: None,
) -> Callable[[Record], None]:
    """A handler for `bus.follow`: `take` gets each record with its value, or None when it is gone."""

    def on_record(record: Record) -> None:
        value: Value | None = None
        if record.payload is not None:
            try:
                value = read(codec.decode_record(record.payload))
            except UNREADABLE as error:
                refuse(f"the record {record.subject}", error)
                on_refused(record, error)
                return
        take(record, value)

    return on_record
