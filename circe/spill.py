"""What a join holds while parts wait for their siblings: in memory up to a budget, above it on disk.

Parts in a join take nobody's credit, so that the oldest item always gets through. What bounds their number is what
fits into the branch that lags, and that says nothing about bytes: an item that is small there may be large in the
branch that has long delivered it. The join itself sees handles, which pass for payloads wherever nobody looks inside;
a handle that nobody holds any more gives up its place by itself.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections import deque
from collections.abc import Mapping
from io import RawIOBase
from pathlib import Path
from typing import Protocol, cast

from runtime.item import Frame
from runtime.reference import Payload, Reference

logger = logging.getLogger(__name__)

SEGMENT_BYTES = 16 << 20
"""A file on disk is gone when all that was written to it is; smaller ones go earlier."""


class Kept(Protocol):
    """A payload, somewhere."""

    def __len__(self) -> int: ...
    def load(self) -> bytes:
        """Also from the thread of user code."""


class _InMemory:
    __slots__ = ("_payload", "_released")

    def __init__(self, payload: bytes, released: deque[int]) -> None:
        self._payload = payload
        self._released = released

    def __len__(self) -> int:
        return len(self._payload)

    def load(self) -> bytes:
        return self._payload

    def __del__(self) -> None:
        self._released.append(len(self._payload))  # in whatever thread: the store does the sum


class _Segment:
    """A file without a name: it ends with the process, however that ends."""

    def __init__(self, file: RawIOBase) -> None:
        self._file = file
        self.size_bytes = 0

    def write(self, payload: bytes) -> _OnDisk:
        """Raises OSError when the disk is full, and nothing was written then."""
        at, view = self.size_bytes, memoryview(payload)
        while view:
            view = view[os.pwrite(self._file.fileno(), view, at + len(payload) - len(view)) :]
        self.size_bytes += len(payload)
        return _OnDisk(self, at, len(payload))

    def read(self, at: int, size_bytes: int) -> bytes:
        return os.pread(self._file.fileno(), size_bytes, at)

    def __del__(self) -> None:
        self._file.close()


class _OnDisk:
    __slots__ = ("_at", "_segment", "_size_bytes")

    def __init__(self, segment: _Segment, at: int, size_bytes: int) -> None:
        self._segment = segment
        self._at = at
        self._size_bytes = size_bytes

    def __len__(self) -> int:
        return self._size_bytes

    def load(self) -> bytes:
        return self._segment.read(self._at, self._size_bytes)


class Spill:
    """The store of one join's worker."""

    def __init__(self, budget_bytes: int, folder: Path) -> None:
        self._budget_bytes = budget_bytes
        self._folder = folder
        self._memory_bytes = 0
        self._released: deque[int] = deque()
        self._segment: _Segment | None = None
        self._disk_fails = False
        self.spilled = 0
        """Parts that went to disk."""

    @property
    def memory_bytes(self) -> int:
        """Of the parts that are in memory now."""
        while self._released:
            self._memory_bytes -= self._released.popleft()
        return self._memory_bytes

    def keep(self, payload: bytes) -> Kept:
        """Into memory while there is room, else to disk; into memory all the same when there is no disk."""
        if self.memory_bytes + len(payload) > self._budget_bytes:
            try:
                return self._write(payload)
            except OSError as error:
                if not self._disk_fails:
                    logger.warning("a join keeps more in memory than it may: %s: %s", self._folder, error.strerror)
                self._disk_fails = True
        self._memory_bytes += len(payload)
        return _InMemory(payload, self._released)

    def _write(self, payload: bytes) -> Kept:
        if self._segment is None or self._segment.size_bytes >= SEGMENT_BYTES:
            file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - it ends with its parts
            self._segment = _Segment(cast(RawIOBase, file))
        kept = self._segment.write(payload)
        self._disk_fails = False
        self.spilled += 1
        return kept

    def keep_frame(self, frame: Frame) -> Frame:
        """The frame with handles for payloads; what is only referred to lies elsewhere already."""
        parts = [
            part._replace(payload=cast(bytes, self.keep(part.payload))) if isinstance(part.payload, bytes) else part
            for part in frame.parts
        ]
        return frame._replace(parts=parts)


def loaded(inputs: Payload | Mapping[str, Payload]) -> Payload | dict[str, Payload]:
    """A job's inputs, with the payloads in place of their handles."""
    if not isinstance(inputs, Mapping):
        return inputs
    return {parent: kept if isinstance(kept, Reference) else load(kept) for parent, kept in inputs.items()}


def load(kept: bytes | Kept) -> bytes:
    """The payload behind a handle, or itself."""
    return kept if isinstance(kept, bytes) else kept.load()
