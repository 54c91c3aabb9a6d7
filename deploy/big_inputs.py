"""A file or standard input, cut into items; the whole of a large one is never in memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path

from circe.uploading import Item
from deploy.cutting import Cutter
from deploy.ingest import STDIN, read_chunks


async def cut(source: str, kind: str | int, limit_bytes: int) -> AsyncGenerator[list[Item], None]:
    """The items as they come. A file among them is there until this is closed; it stands for more than the limit."""
    if kind == "whole":
        async for item in _whole(source, limit_bytes):
            yield [item]
        return
    cutter = Cutter(kind)
    async with contextlib.aclosing(read_chunks(source)) as chunks:
        async for chunk in chunks:
            yield [*cutter.feed(chunk)]
    yield [*cutter.finish()]


async def _whole(source: str, limit_bytes: int) -> AsyncGenerator[Item, None]:
    if source != STDIN and await asyncio.to_thread(_regular_bytes, source) > limit_bytes:
        yield Path(source)
        return
    held: list[bytes] = []
    with tempfile.NamedTemporaryFile(prefix="jupiter-input-") as file:
        size_bytes = 0
        async with contextlib.aclosing(read_chunks(source)) as chunks:
            async for chunk in chunks:
                held.append(chunk)
                size_bytes += len(chunk)
                if size_bytes > limit_bytes:
                    await asyncio.to_thread(file.writelines, held)
                    held = []
        if size_bytes <= limit_bytes:
            yield b"".join(held)
            return
        await asyncio.to_thread(file.flush)
        yield Path(file.name)


def _regular_bytes(source: str) -> int:
    return os.path.getsize(source) if os.path.isfile(source) else 0
