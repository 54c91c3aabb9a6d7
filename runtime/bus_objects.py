"""Objects: named bytes larger than a message, in the layout of the NATS object store.

Any NATS client reads and writes the same buckets. Written by hand because nats-py reads at a twentieth of the
speed (it appends to immutable bytes) and stops on the newer acknowledgement subjects.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
from datetime import UTC, datetime
from typing import Any

from runtime import object_layout
from runtime.bus_errors import BusFault, StoreRefused, StreamFull
from runtime.bus_records import Records
from runtime.jetstream import bucket_stream, chunk_subject, meta_subject
from runtime.streams import StreamSpec

CHUNK_BYTES = 512 << 10
CHUNKS_IN_FLIGHT = 16
ATTEMPTS = 4


class BrokenObject(BusFault):
    """What is stored under the name is not what was put there."""


class Objects(Records):
    """Buckets of objects; of a name put twice, the last one counts."""

    async def ensure_bucket(self, bucket: str, max_bytes: int = -1, replicas: int = 1) -> None:
        """Create the bucket if there is none."""
        if await self.stream_state(bucket_stream(bucket)) is None:
            subjects = (chunk_subject(bucket, ">"), meta_subject(bucket, ">"))
            await self.ensure_stream(
                StreamSpec(
                    name=bucket_stream(bucket),
                    subjects=subjects,
                    max_bytes=max_bytes,
                    replicas=replicas,
                    allow_rollup=True,
                )
            )

    async def put_object(self, bucket: str, name: str, payload: bytes) -> str:
        """Store under a name; returns the SHA-256 in hexadecimal. Readers see the old object or the new one."""
        await self.ensure_bucket(bucket)
        before = await self._meta(bucket, name)
        digest = await asyncio.to_thread(hashlib.sha256, payload)
        for attempt in range(ATTEMPTS):
            nuid = secrets.token_hex(11)
            try:
                chunks = await self._put_chunks(bucket, nuid, payload)
                break
            except (StreamFull, BusFault) as exc:
                # Chunks are told apart by their order alone: after any doubt all of them are put again.
                refused = isinstance(exc, StoreRefused) and not isinstance(exc, StreamFull)
                await self.purge(bucket_stream(bucket), chunk_subject(bucket, nuid))
                if refused or attempt == ATTEMPTS - 1:
                    raise
        meta = object_layout.describe(
            bucket, name, nuid, len(payload), chunks, self._chunk_bytes(), digest.digest(), now_text()
        )
        await self._put_meta(bucket, name, meta)
        if before is not None:
            await self.purge(bucket_stream(bucket), chunk_subject(bucket, before["nuid"]))
        return digest.hexdigest()

    async def get_object(self, bucket: str, name: str) -> bytes | None:
        """The bytes, checked by their digest; None when there is no such object."""
        for _ in range(ATTEMPTS):
            meta = await self._meta(bucket, name)
            if meta is None:
                return None
            payload = await self._read_chunks(bucket, meta)
            digest = await asyncio.to_thread(hashlib.sha256, payload)
            if base64.urlsafe_b64decode(meta["digest"].partition("=")[2]) == digest.digest():
                return payload
            # Replaced while we read it, or a replica that is behind.
            await asyncio.sleep(0.05)
        raise BrokenObject(f"object {name} in bucket {bucket} does not have the digest it was put with")

    async def delete_object(self, bucket: str, name: str) -> bool:
        """Delete with its bytes; False when there was none."""
        if await self.stream_state(bucket_stream(bucket)) is None:
            return False
        meta = await self._meta(bucket, name)
        if meta is None:
            return False
        # A marker, as other clients write it: they see a deleted object, not a broken one.
        await self._put_meta(bucket, name, {**meta, "size": 0, "chunks": 0, "digest": "", "deleted": True})
        await self.purge(bucket_stream(bucket), chunk_subject(bucket, meta["nuid"]))
        return True

    async def object_names(self, bucket: str) -> list[str]:
        """What the bucket holds."""
        if await self.stream_state(bucket_stream(bucket)) is None:
            return []
        metas = [
            json.loads(m.payload) for m in await self.read_stream(bucket_stream(bucket), meta_subject(bucket, ">"))
        ]
        return sorted(meta["name"] for meta in metas if not meta.get("deleted"))

    def _chunk_bytes(self) -> int:
        return min(CHUNK_BYTES, self.link.max_payload_bytes // 2)

    async def _put_chunks(self, bucket: str, nuid: str, payload: bytes) -> int:
        size_bytes = self._chunk_bytes()
        starts = range(0, len(payload), size_bytes)
        under_way: list[asyncio.Future[Any]] = []
        for start in starts:
            if len(under_way) == CHUNKS_IN_FLIGHT:
                await under_way.pop(0)
            under_way.append(
                self.store(chunk_subject(bucket, nuid), payload[start : start + size_bytes], deadline_s=30.0)
            )
        for future in under_way:
            await future
        return len(starts)

    async def _read_chunks(self, bucket: str, meta: dict[str, Any]) -> bytes:
        if not meta.get("size"):
            return b""
        messages = await self.read_stream(bucket_stream(bucket), chunk_subject(bucket, meta["nuid"]))
        return b"".join([message.payload for message in messages])

    async def _meta(self, bucket: str, name: str) -> dict[str, Any] | None:
        message = await self.last_message(bucket_stream(bucket), object_layout.description(bucket, name))
        if message is None or not message.payload:
            return None
        meta: dict[str, Any] = json.loads(message.payload)
        return None if meta.get("deleted") else meta

    async def _put_meta(self, bucket: str, name: str, meta: dict[str, Any]) -> None:
        headers = {"Nats-Rollup": "sub"}
        await self.store_until(object_layout.description(bucket, name), json.dumps(meta).encode(), headers)


def now_text() -> str:
    """As descriptions have it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
