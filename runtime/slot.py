"""What a worker is doing, where its parent can read it even after the worker died: a small block of shared memory.

A header, a slot per item in user code, and a note from the parent about items that ended processes. One side
writes each field: the worker the slots, its beat and that it leaves; the parent the lease and the note. Pure:
works on any writable buffer; the clock (monotonic, the machine's) comes in.
"""

from __future__ import annotations

import hashlib
import signal
from struct import Struct
from typing import NamedTuple
from zlib import crc32

SLOTS = 64
"""Items that a task may have in user code at the same time."""
MAX_ID_BYTES = 960
"""Longer ids stand as their digest."""
NOTE_BYTES = 64 << 10
DUMP_SIGNAL = signal.SIGUSR2
"""From the parent: write down the stacks of all threads, also of one that does not let go of the interpreter."""

_SLOT_BYTES = 1024
_HEADER_BYTES = 128
_TEXT_AT = 32
_TEXT_BYTES = _SLOT_BYTES - _TEXT_AT
_NOTE_AT = _HEADER_BYTES + SLOTS * _SLOT_BYTES
SIZE_BYTES = _NOTE_AT + NOTE_BYTES

_CALL = Struct("<dQQH")  # started, root, attempt, bytes of the id
_SHORT_BYTES = 48
_SHORT_CALL = Struct(f"<dQQH6x{_SHORT_BYTES}s")  # the same with the id: most ids are short, and one write is cheaper
_FLOAT = Struct("<d")
_NUMBER = Struct("<I")
_STEP = Struct("<dI")  # began, slot + 1
_NOTE = Struct("<III")  # version, bytes, checksum
_WIDTH_AT, _LEAVING_AT, _BEAT_AT, _LEASE_AT, _STEP_AT, _NOTE_HEAD_AT = 0, 4, 8, 16, 24, 40


class Call(NamedTuple):
    """One item in user code."""

    slot: int
    root: int
    attempt: int
    item_id: str
    """As `slot_id` gives it."""
    started_s: float
    """With the slot, it tells one call from another."""

    @property
    def key(self) -> tuple[int, str]:
        """What stays the same however often the item is sent again."""
        return (self.root, self.item_id)


class Step(NamedTuple):
    """What an event loop is in the middle of."""

    slot: int
    began_s: float


def slot_id(item_id: str) -> str:
    """An item's id as it stands in a slot."""
    if len(item_id.encode()) <= MAX_ID_BYTES:
        return item_id
    return "=H" + hashlib.sha256(item_id.encode()).hexdigest()


class Slots:
    """One worker's block."""

    __slots__ = ("_at", "_floats", "_view")

    def __init__(self, memory: memoryview) -> None:
        self._view = memory
        if len(self._view) < SIZE_BYTES:
            raise ValueError(f"{len(self._view)} bytes of shared memory; {SIZE_BYTES} are needed")
        self._floats = memory.cast("d")
        self._at = [_HEADER_BYTES + slot * _SLOT_BYTES for slot in range(SLOTS)]

    # ---- written by the worker, around every item: this is the hot path

    def enter(self, slot: int, root: int, attempt: int, item_id: str, now_s: float) -> None:
        """User code begins on an item."""
        text = item_id.encode()
        at = self._at[slot]
        if len(text) <= _SHORT_BYTES:
            _SHORT_CALL.pack_into(self._view, at, now_s, root, attempt, len(text), text)
            return
        if len(text) > MAX_ID_BYTES:
            text = slot_id(item_id).encode()
        self._view[at + _TEXT_AT : at + _TEXT_AT + len(text)] = text
        _CALL.pack_into(self._view, at, now_s, root, attempt, len(text))

    def leave(self, slot: int) -> None:
        """User code is done with it."""
        self._floats[(_HEADER_BYTES + slot * _SLOT_BYTES) >> 3] = 0.0

    def step(self, slot: int, now_s: float) -> None:
        """The event loop goes on with the item of this slot."""
        _STEP.pack_into(self._view, _STEP_AT, now_s, slot + 1)

    def pause(self) -> None:
        """The event loop has left user code."""
        self._view[_STEP_AT + 8] = 0  # of the slot's number, which is small

    def begin(self, width: int) -> None:
        """How many slots may be in use."""
        _NUMBER.pack_into(self._view, _WIDTH_AT, width)

    def beat(self, now_s: float) -> None:
        """The worker has spoken for itself."""
        _FLOAT.pack_into(self._view, _BEAT_AT, now_s)

    def say_leaving(self) -> None:
        """The worker ends of its own accord: nothing in user code is to blame."""
        _NUMBER.pack_into(self._view, _LEAVING_AT, 1)

    # ---- read by the parent

    def calls(self) -> list[Call]:
        """The items in user code."""
        (width,) = _NUMBER.unpack_from(self._view, _WIDTH_AT)
        found = []
        for slot, at in enumerate(self._at[: min(width, SLOTS)]):
            started_s, root, attempt, size = _CALL.unpack_from(self._view, at)
            if started_s:
                found.append(Call(slot, root, attempt, self._text(at, size), started_s))
        return found

    def last_calls(self) -> list[Call]:
        """The items that left user code last, of slots that nothing is in; `started_s` is 0."""
        (width,) = _NUMBER.unpack_from(self._view, _WIDTH_AT)
        found = []
        for slot, at in enumerate(self._at[: min(width, SLOTS)]):
            started_s, root, attempt, size = _CALL.unpack_from(self._view, at)
            if size and not started_s:
                found.append(Call(slot, root, attempt, self._text(at, size), 0.0))
        return found

    def _text(self, at: int, size: int) -> str:
        return bytes(self._view[at + _TEXT_AT : at + _TEXT_AT + min(size, _TEXT_BYTES)]).decode("utf-8", "replace")

    def current(self) -> Step | None:
        """The slot that an event loop works for now; None for a task that has no event loop."""
        began_s, number = _STEP.unpack_from(self._view, _STEP_AT)
        return Step(number - 1, began_s) if number else None

    @property
    def is_loop(self) -> bool:
        """Whether several items may be in user code, on an event loop."""
        return int(_NUMBER.unpack_from(self._view, _WIDTH_AT)[0]) > 1

    @property
    def beat_s(self) -> float:
        """When the worker last spoke for itself; 0 before the first time."""
        return float(_FLOAT.unpack_from(self._view, _BEAT_AT)[0])

    @property
    def is_leaving(self) -> bool:
        return bool(_NUMBER.unpack_from(self._view, _LEAVING_AT)[0])

    # ---- written by the parent, read by the worker

    def renew(self, now_s: float) -> None:
        """The parent has spoken for a worker that cannot; by `runtime.clock`, which alone counts a machine's sleep."""
        _FLOAT.pack_into(self._view, _LEASE_AT, now_s)

    @property
    def renewed_s(self) -> float:
        """When the parent last spoke for the worker."""
        return float(_FLOAT.unpack_from(self._view, _LEASE_AT)[0])

    def tell(self, note: bytes) -> None:
        """Replace the note; one that is too long raises ValueError."""
        if len(note) > NOTE_BYTES:
            raise ValueError(f"a note of {len(note)} bytes; {NOTE_BYTES} fit")
        version = self.note_version + 1
        self._view[_NOTE_AT : _NOTE_AT + len(note)] = note
        _NOTE.pack_into(self._view, _NOTE_HEAD_AT, version, len(note), crc32(note))

    @property
    def note_version(self) -> int:
        """Grows with every note; 0 while there is none."""
        return int(_NUMBER.unpack_from(self._view, _NOTE_HEAD_AT)[0])

    def note(self) -> bytes | None:
        """The note; None while it is being written."""
        _, size, checksum = _NOTE.unpack_from(self._view, _NOTE_HEAD_AT)
        note = bytes(self._view[_NOTE_AT : _NOTE_AT + min(size, NOTE_BYTES)])
        return note if crc32(note) == checksum else None
