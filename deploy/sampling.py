"""Sample input of an application: what its tasks are measured on, and what `--once` runs without a file.

An application that brings none can still be measured when its input is a file: the first items of that.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from deploy.cutting import Cutter
from deploy.ingest import CHUNK_BYTES, STDIN
from runtime.app import App

FOLDER = "sample_input"
"""Where the profiler looks for the inputs of entry tasks that name no sample of their own."""
ITEMS = 20
MOST_BYTES = 8 << 20


def sample_files(folder: Path, app: App) -> Iterator[Path]:
    """The samples of the entry tasks, file by file."""
    samples = [folder / (app.graph.tasks[entry].sample_input or FOLDER) for entry in app.graph.entries]
    for path in dict.fromkeys(samples):
        files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
        yield from (file for file in files if file.is_file() and not file.name.startswith("."))


def sample_file(folder: Path, app: App) -> Path | None:
    """The first file of samples for an entry task."""
    return next(sample_files(folder, app), None)


@contextlib.contextmanager
def with_samples(folder: Path, app: App, source: str | None) -> Iterator[Path]:
    """The folder as it is; or, where it has no samples and there is an input file, a copy with its first items."""
    lacking = any(app.graph.tasks[entry].sample_input is None for entry in app.graph.entries)
    if source in (None, STDIN) or not lacking or sample_file(folder, app) is not None:
        yield folder
        return
    content = first_items(Path(str(source)), app.input)
    if content is None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="jupiter-samples-") as scratch:
        copy = Path(scratch) / folder.resolve().name
        shutil.copytree(folder, copy, symlinks=True, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        (copy / FOLDER).mkdir(exist_ok=True)
        (copy / FOLDER / "first_items").write_bytes(content)
        yield copy


def first_items(source: Path, kind: str | int) -> bytes | None:
    """The beginning of a file that holds its first items; None when there is none, or they are too large."""
    if not source.is_file():
        return None  # a pipe can be read only once
    if kind == "whole":
        return source.read_bytes() if source.stat().st_size <= MOST_BYTES else None
    cutter = Cutter(kind)
    items: list[bytes] = []
    with source.open("rb") as file:
        for chunk in islice(iter(lambda: file.read(CHUNK_BYTES), b""), MOST_BYTES // CHUNK_BYTES):
            items += cutter.feed(chunk)
            if len(items) >= ITEMS:
                break
        else:
            items += cutter.finish()
    return b"".join(item + b"\n" for item in items[:ITEMS]) or None
