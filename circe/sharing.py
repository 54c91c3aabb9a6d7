"""Who of a task's live incarnations gets a part. Pure.

Where parts of one item meet, the item's id tells its owner. Elsewhere whoever has the most free credit gets it: credit
comes back as items are dealt with, so a slow replica gets as much as it does, and no more waits there than elsewhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from zlib import crc32

from circe.credit import Amount, SenderLedger
from runtime.item import Part


class Room:
    """What one receiver still takes in this flush, and what it gets."""

    __slots__ = ("_bytes", "_count", "_window", "parts", "receiver")

    def __init__(self, receiver: str, ledger: SenderLedger, window: Amount) -> None:
        self.receiver = receiver
        self.parts: list[tuple[str, Part]] = []
        self._count = ledger.available
        self._bytes = ledger.available_bytes
        self._window = window

    @property
    def free(self) -> int:
        """Of parts or of bytes, whichever is scarcer beside its window; 0 for none."""
        return max(0, min(self._count * self._window.size_bytes, self._bytes * self._window.parts))

    def take(self, head: str, part: Part) -> bool:
        if self._count <= 0 or self._bytes <= 0:
            return False
        self._count -= 1
        self._bytes -= len(part.payload) if part.payload is not None else 0
        self.parts.append((head, part))
        return True


def by_item(queue: deque[tuple[str, Part]], rooms: Sequence[Room]) -> None:
    """Take from the queue what has credit, to the owner of the item's partition."""
    left: list[tuple[str, Part]] = []
    while queue:
        head, part = queue.popleft()
        owner = rooms[crc32(part.item_id.encode()) % len(rooms)] if len(rooms) > 1 else rooms[0]
        if owner.take(head, part):
            continue
        left.append((head, part))
        if len(rooms) == 1:
            break
    queue.extendleft(reversed(left))


def by_credit(queue: deque[tuple[str, Part]], rooms: Sequence[Room], first: int) -> int:
    """Take from the queue what has credit, each to whoever has the most; of equal ones in turn, beginning at `first`.

    Returns where the next turn begins.
    """
    count = len(rooms)
    while queue:
        best = max(range(count), key=lambda index: (rooms[index].free, -((index - first) % count)))
        if not rooms[best].take(*queue[0]):
            break
        queue.popleft()
        first = (best + 1) % count
    return first
