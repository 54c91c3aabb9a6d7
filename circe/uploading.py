"""An input too big for a message: into the application's objects, before the message that names it."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import BinaryIO

from runtime import object_files, subjects
from runtime.bus import Bus
from runtime.errors import JupiterError
from runtime.jetstream import bucket_stream
from runtime.object_files import persist
from runtime.reference import OBJECT_HEADER

Item = bytes | Path
"""An input: its bytes, or a file that holds them."""
SHARE = 1 / 2
"""Of the application's objects, for inputs that wait: the rest is for what tasks make of them."""


async def upload(bus: Bus, app: str, item: Item, name: str, objects_bytes: int) -> dict[str, str]:
    """Put it there, as soon as there is room; the headers of the message that stands for it."""
    if isinstance(item, Path):
        with await asyncio.to_thread(item.open, "rb") as file:
            return await _upload(bus, app, file, item.stat().st_size, name, objects_bytes)
    return await _upload(bus, app, io.BytesIO(item), len(item), name, objects_bytes)


async def _upload(
    bus: Bus, app: str, source: BinaryIO, size_bytes: int, name: str, objects_bytes: int
) -> dict[str, str]:
    bucket = subjects.objects(app)
    if size_bytes > objects_bytes:
        raise JupiterError(
            f"an input has {size_bytes} bytes, more than all objects of {app} may have together ({objects_bytes}); "
            "raise limits.objects_bytes"
        )

    async def attempt() -> dict[str, str]:
        if await bus.stream_state(bucket_stream(bucket)) is None:
            raise JupiterError(f"{app} takes no objects: is the dispatcher running, or was it deleted?")
        await object_files.wait_for_room(bus, bucket, size_bytes, int(SHARE * objects_bytes), lambda: None)
        reference = await object_files.write(bus, bucket, source, lambda _: name)
        return {OBJECT_HEADER: reference.name}

    return await persist(attempt, f"uploading {name}")
