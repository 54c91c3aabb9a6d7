"""References: what travels instead of a payload that is too big for a message (a claim check). Pure.

The bytes lie in the application's bucket of objects; a reference says which object it is, how large, and its digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

OBJECT_HEADER = "Jupiter-Object"
"""On an input or a result: its payload is the object of this name."""
SIZE_HEADER = "Jupiter-Object-Size"
DIGEST_HEADER = "Jupiter-Object-SHA256"
MAX_NAME_BYTES = 1024
"""It becomes part of a subject, and the server closes a connection whose subject is too long."""
DIGEST_CHARS = 64


class Reference(NamedTuple):
    """Stands where a payload would. Its own length is next to nothing, and so it counts against credit."""

    name: str
    size_bytes: int
    sha256: str
    """Hexadecimal."""

    def headers(self) -> dict[str, str]:
        """What an otherwise empty message says of it."""
        return {OBJECT_HEADER: self.name, SIZE_HEADER: str(self.size_bytes), DIGEST_HEADER: self.sha256}

    def to_record(self) -> dict[str, Any]:
        """As people read it: in dead letters, and in what `jupiter tail` prints."""
        return {"object": self.name, "size_bytes": self.size_bytes, "sha256": self.sha256}


Payload = bytes | Reference


def from_headers(headers: Mapping[str, str]) -> Reference | None:
    """The reference that a message of ours carries; None when its payload is its own."""
    name = headers.get(OBJECT_HEADER)
    if name is None:
        return None
    try:
        return from_row([name, int(headers.get(SIZE_HEADER, "")), headers.get(DIGEST_HEADER)])
    except ValueError:
        return None


def from_record(record: object) -> Reference | None:
    """The reverse of `to_record`; None for anything else, because letters may be anybody's."""
    if not isinstance(record, dict) or set(record) != {"object", "size_bytes", "sha256"}:
        return None
    try:
        return from_row([record["object"], record["size_bytes"], record["sha256"]])
    except ValueError:
        return None


def from_row(row: object) -> Reference:
    """A reference as msgpack gives it back; raises ValueError on anything else."""
    match row:
        case [str(name), int(size_bytes), str(sha256)] if is_name(name) and size_bytes >= 0:
            if len(sha256) == DIGEST_CHARS and set(sha256) <= set("0123456789abcdef"):
                return Reference(name, size_bytes, sha256)
    raise ValueError("a part with a reference of the wrong shape")


def is_name(name: str) -> bool:
    """Whether an object may be called so."""
    return 0 < len(name.encode("utf-8", "replace")) <= MAX_NAME_BYTES
