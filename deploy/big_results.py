"""Results too big for a message: each into a file of its own, beside the lines that name them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from pathlib import Path

from runtime import object_files, subjects
from runtime.bus import Bus
from runtime.errors import JupiterError
from runtime.object_files import ObjectError
from runtime.reference import Reference

MAX_NAME_CHARS = 200
"""Longer names of files are hashed."""


def folder_beside(output: str | None, app: str) -> Path:
    """Where the files of an output lie; those of standard output in the present folder."""
    return Path(f"{app}.files" if output in (None, "-") else f"{output}.files")


class ResultFiles:
    """In one folder, made when the first large result comes."""

    def __init__(self, bus: Bus, app: str, folder: Path) -> None:
        self._bus = bus
        self._bucket = subjects.objects(app)
        self._folder = folder

    async def value(self, task: str, item_id: str, reference: Reference) -> str:
        """Save a result; what its line says of it, as JSON."""
        path = self._folder / _file_name(task, item_id)
        try:
            await self._save(path, reference)
        except ObjectError as error:
            return json.dumps({**reference.to_record(), "error": str(error)})
        except OSError as error:
            raise JupiterError(f"a large result cannot be written to {path}: {error.strerror}") from error
        return json.dumps({"file": str(path), "size_bytes": reference.size_bytes, "sha256": reference.sha256})

    async def _save(self, path: Path, reference: Reference) -> None:
        """Under another name first: a file of the right name is whole."""
        part = path.with_name(f"{path.name}.part")
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        with await asyncio.to_thread(part.open, "wb") as file:
            await object_files.read(self._bus, self._bucket, reference, file)
        await asyncio.to_thread(os.replace, part, path)


def _file_name(task: str, item_id: str) -> str:
    name = f"{task}.{item_id}"
    return name if len(name) <= MAX_NAME_CHARS else f"{task}.{hashlib.sha256(item_id.encode()).hexdigest()}"
