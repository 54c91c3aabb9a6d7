"""Objects of any size into a bucket and out of it, piece by piece: memory holds a few pieces, whatever the size.

A transfer shares its connection with everything else, so only so much of it is under way as a small message may wait
for (`runtime.pace`). What the bus refuses or loses is raised, and the caller begins anew: pieces are told apart by
their order alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import BinaryIO, TypeVar

from runtime import object_layout
from runtime.bus import Bus
from runtime.bus_errors import BusClosed, BusFault, WrongLastSequence
from runtime.bus_objects import now_text
from runtime.errors import JupiterError
from runtime.jetstream import bucket_stream, chunk_subject
from runtime.message import PubAck, StoredMessage
from runtime.object_layout import ObjectInfo
from runtime.pace import Pace
from runtime.reference import Reference

logger = logging.getLogger(__name__)

T = TypeVar("T")

PIECE_BYTES = 128 << 10
MOST_PIECES = 16
"""Under way at a time."""
STORE_DEADLINE_S = 30.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0


class ObjectError(JupiterError):
    """The bucket does not hold what the reference says."""


async def write(
    bus: Bus,
    bucket: str,
    source: BinaryIO,
    name: Callable[[str], str],
    *,
    owner: str = "",
    metadata: Mapping[str, str] | None = None,
) -> Reference:
    """Store what `source` holds, from its beginning, under the name that `name` gives for its digest.

    An object that has the name and the digest already stays as it is: somebody may be reading it. `owner` begins the
    token that names the pieces, so that they can be told even when their object is never finished.
    """
    nuid = owner + secrets.token_hex(11)
    subject = chunk_subject(bucket, nuid)
    try:
        await asyncio.to_thread(source.seek, 0)
        size_bytes, count, digest = await _write_pieces(bus, subject, source)
        reference = Reference(name(digest.hex()), size_bytes, digest.hex())
        own = object_layout.describe(bucket, reference.name, nuid, size_bytes, count, PIECE_BYTES, digest, now_text())
        is_ours = await _describe(bus, bucket, {**own, "metadata": dict(metadata or {})}, reference)
    except BusFault:
        with contextlib.suppress(BusFault):
            await bus.purge(bucket_stream(bucket), subject)
        raise
    if not is_ours:
        await bus.purge(bucket_stream(bucket), subject)
    return reference


async def _write_pieces(bus: Bus, subject: str, source: BinaryIO) -> tuple[int, int, bytes]:
    """Bytes, pieces, and the digest of it all."""
    loop = asyncio.get_running_loop()
    piece_bytes = min(PIECE_BYTES, bus.link.max_payload_bytes)
    pace = Pace(MOST_PIECES)
    under_way: list[tuple[asyncio.Future[PubAck], float]] = []
    digest = hashlib.sha256()
    size_bytes = count = 0

    def read() -> bytes:
        piece = source.read(piece_bytes)
        digest.update(piece)
        return piece

    async def oldest_arrived() -> None:
        future, left_s = under_way.pop(0)
        await future
        pace.took(loop.time() - left_s)

    try:
        while piece := await asyncio.to_thread(read):
            while len(under_way) >= pace.pieces:
                await oldest_arrived()
            under_way.append((bus.store(subject, piece, deadline_s=STORE_DEADLINE_S), loop.time()))
            size_bytes += len(piece)
            count += 1
        while under_way:
            await oldest_arrived()
    finally:
        for future, _ in under_way:
            future.cancel()
    return size_bytes, count, digest.digest()


async def _describe(bus: Bus, bucket: str, record: dict[str, object], reference: Reference) -> bool:
    """Let readers see the object; False when there is the same one already."""
    subject = object_layout.description(bucket, reference.name)
    while True:
        present = await bus.leader_last_message(bucket_stream(bucket), subject)
        info = None if present is None else read_stored(present)
        if info is not None and info.nuid == record["nuid"]:
            return True  # the answer to our first try was lost
        if info is not None and info.sha256 == reference.sha256:
            return False
        with contextlib.suppress(WrongLastSequence):
            await _put(bus, subject, json.dumps(record).encode(), 0 if present is None else present.sequence)
            return True


async def _put(bus: Bus, subject: str, payload: bytes, expected_sequence: int) -> None:
    headers = {"Nats-Rollup": "sub", "Nats-Expected-Last-Subject-Sequence": str(expected_sequence)}
    await bus.store_until(subject, payload, headers)


async def find(bus: Bus, bucket: str, name: str) -> ObjectInfo | None:
    """The object of this name."""
    message = await bus.leader_last_message(bucket_stream(bucket), object_layout.description(bucket, name))
    return None if message is None else read_stored(message)


def read_stored(message: StoredMessage) -> ObjectInfo | None:
    """A description as it lies in the stream."""
    return object_layout.read_info(message.payload, message.sequence, message.timestamp_s)


async def note(bus: Bus, bucket: str, name: str, change: Callable[[ObjectInfo], ObjectInfo]) -> ObjectInfo | None:
    """Change what an object's description says of it, if anything changes; None when there is no such object."""
    while True:
        info = await find(bus, bucket, name)
        if info is None:
            return None
        changed = change(info)
        if changed == info:
            return info
        with contextlib.suppress(WrongLastSequence):
            await _put(bus, object_layout.description(bucket, name), changed.encode(), info.sequence)
            return changed


async def read(bus: Bus, bucket: str, reference: Reference, target: BinaryIO) -> None:
    """Write the object's bytes to `target`, from its beginning. Raises ObjectError when they are not those meant.

    What the bus does not answer is asked for again: a page is read by its sequence, so nothing begins anew.
    """
    info = await persist(lambda: find(bus, bucket, reference.name), f"looking for {reference.name}")
    if info is None:
        raise ObjectError(f"the object {reference.name} ({reference.size_bytes} bytes) is not there any more")
    if (info.sha256 or reference.sha256, info.size_bytes) != (reference.sha256, reference.size_bytes):
        raise ObjectError(f"the object {reference.name} has been replaced: it does not have the digest it had")
    await asyncio.to_thread(target.seek, 0)
    digest = await _read_pieces(bus, bucket, info, target)
    if digest != reference.sha256:
        raise ObjectError(f"the object {reference.name} is broken: its bytes do not have its digest")


async def _read_pieces(bus: Bus, bucket: str, info: ObjectInfo, target: BinaryIO) -> str:
    loop = asyncio.get_running_loop()
    stream, subject = bucket_stream(bucket), chunk_subject(bucket, info.nuid)
    pace = Pace(MOST_PIECES)
    digest = hashlib.sha256()
    left_bytes, sequence = info.size_bytes, 1

    def write_down(page: list[StoredMessage]) -> None:
        for message in page:
            digest.update(message.payload)
            target.write(message.payload)

    while left_bytes > 0:
        asked_s = loop.time()
        page = await persist(partial(bus.read_page, stream, subject, sequence, pace.pieces), f"reading {info.name}")
        if not page:
            break
        pace.took(loop.time() - asked_s)
        await asyncio.to_thread(write_down, page)
        left_bytes -= sum(len(message.payload) for message in page)
        sequence = page[-1].sequence + 1
    await asyncio.to_thread(target.flush)
    return digest.hexdigest()


async def remove(bus: Bus, bucket: str, name: str, nuid: str) -> None:
    """An object, without a trace. First its description: a reader finds it missing, not broken."""
    await bus.purge(bucket_stream(bucket), object_layout.description(bucket, name))
    await bus.purge(bucket_stream(bucket), chunk_subject(bucket, nuid))


async def wait_for_room(bus: Bus, bucket: str, size_bytes: int, bound_bytes: int, on_full: Callable[[], None]) -> None:
    """Wait while the bucket holds so much that it would pass its bound; an empty one takes anything."""
    told = False
    while True:
        state = await bus.stream_state(bucket_stream(bucket))
        if state is None or state.bytes == 0 or state.bytes + size_bytes <= bound_bytes:
            return
        if not told:
            told = True
            on_full()
        await asyncio.sleep(LONGEST_PAUSE_S / 4)


async def persist(work: Callable[[], Awaitable[T]], what: str) -> T:
    """Do it until the bus lets it be done."""
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            return await work()
        except BusClosed:
            raise
        except BusFault as error:
            logger.warning("%s is not done yet: %s", what, error)
        await asyncio.sleep(pause_s)
        pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)
