"""How a bucket of objects lies in its stream, as every client of the NATS object store has it (ADR-20). Pure.

An object's bytes are messages, in order, on a subject of their own, which its description (JSON, the last message of
a subject named after the object) tells.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from runtime.jetstream import meta_subject


def description(bucket: str, name: str) -> str:
    """The subject of an object's description."""
    return meta_subject(bucket, base64.urlsafe_b64encode(name.encode()).decode())


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """One object as its description has it."""

    name: str
    nuid: str
    """Names the pieces."""
    size_bytes: int
    sha256: str
    """Hexadecimal; empty when whoever put it left it out."""
    written_s: float = 0.0
    """When the description was stored, by the server's clock."""
    sequence: int = 0
    """Of the description, in the bucket's stream."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The whole description: what others wrote there is kept."""

    def noting(self, name: str, value: str) -> ObjectInfo:
        """The same object with one more piece of metadata."""
        return replace(self, metadata={**self.metadata, name: value})

    def encode(self) -> bytes:
        return json.dumps({**self.raw, "metadata": dict(self.metadata)}).encode()


def describe(
    bucket: str, name: str, nuid: str, size_bytes: int, count: int, piece_bytes: int, digest: bytes, mtime: str
) -> dict[str, Any]:
    """A new object's description; `count` is of its pieces, `digest` its SHA-256."""
    return {
        "name": name,
        "bucket": bucket,
        "nuid": nuid,
        "size": size_bytes,
        "chunks": count,
        "mtime": mtime,
        "digest": "SHA-256=" + base64.urlsafe_b64encode(digest).decode(),
        "options": {"max_chunk_size": piece_bytes},
    }


def read_info(payload: bytes, sequence: int = 0, written_s: float = 0.0) -> ObjectInfo | None:
    """A description; None of an object that was deleted, or when it is none of any client's."""
    try:
        raw = json.loads(payload)
        if raw.get("deleted"):
            return None
        digest = base64.urlsafe_b64decode(raw.get("digest", "").partition("=")[2])
        metadata = raw.get("metadata") or {}
        return ObjectInfo(
            name=str(raw["name"]),
            nuid=str(raw["nuid"]),
            size_bytes=int(raw.get("size", 0)),
            sha256=digest.hex(),
            written_s=written_s,
            sequence=sequence,
            metadata={str(key): str(value) for key, value in metadata.items()},
            raw=raw,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error):
        return None
