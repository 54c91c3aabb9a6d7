"""What can travel through the graph in one message, and why an item cannot. Pure.

Asked once, where an item or an output begins its way: further on, a message that cannot be written takes others with
it.
"""

from __future__ import annotations

from collections.abc import Mapping

MOST_HEADERS = 128
MOST_HEADER_BYTES = 16 << 10
ROOM_BYTES = 24 << 10
"""Of a message, for headers and what else stands around one payload: ids, reasons, our own headers."""


def limit_bytes(max_payload_bytes: int) -> int:
    """The largest payload that travels through a server which takes messages of `max_payload_bytes`."""
    return max_payload_bytes - ROOM_BYTES


def header_fault(headers: Mapping[str, str] | None) -> str:
    """Why these headers cannot travel with an item; empty when they can."""
    if not headers:  # the usual case
        return ""
    if len(headers) > MOST_HEADERS:
        return f"the input has {len(headers)} headers; at most {MOST_HEADERS} travel with an item"
    size = 0
    for name, value in headers.items():
        if not {"\r", "\n"}.isdisjoint(name + value):
            return f"the input's header {name.strip()!r} holds a line break, which cannot travel with an item"
        size += len(name.encode("utf-8", "replace")) + len(value.encode("utf-8", "replace")) + 4
    if size > MOST_HEADER_BYTES:
        return f"the input has {size} bytes of headers; at most {MOST_HEADER_BYTES} travel with an item"
    return ""
