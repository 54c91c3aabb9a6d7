"""Credit on direct edges: how many parts a sender may have under way to a receiver.

Counters are cumulative since the two incarnations met, so a lost grant is made good by the next, and a lost
frame by the position that the next one carries.
"""

from __future__ import annotations


class SenderLedger:
    """The sender's side, for one receiver."""

    __slots__ = ("frames", "granted", "sent")

    def __init__(self, window: int) -> None:
        self.sent = 0
        self.granted = window
        self.frames = 0

    @property
    def available(self) -> int:
        return self.granted - self.sent

    def grant(self, granted: int) -> None:
        self.granted = max(self.granted, granted)


class ReceiverLedger:
    """The receiver's side, for one sender: grants `window` parts beyond what it has consumed."""

    __slots__ = ("_announced", "_received", "_window", "held")

    def __init__(self, window: int) -> None:
        self._window = window
        self._received = 0
        self._announced = window
        self.held = 0
        """Parts that wait for a machine here; parts in a join count against the join, never here."""

    def receive(self, position: int, parts: int) -> None:
        """A frame came whose first part is number `position` (from 0)."""
        self._received = max(self._received, position + parts)

    @property
    def granted(self) -> int:
        return self._received - self.held + self._window

    def due(self) -> int | None:
        """The grant to send now, if it has grown by half a window (or by one, where that is less)."""
        granted = self.granted
        if granted - self._announced < max(1, self._window // 2):
            return None
        self._announced = granted
        return granted
