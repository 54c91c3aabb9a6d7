"""Credit on direct edges: how many parts, and bytes of them, a sender may have under way to a receiver.

Counters are cumulative since the two incarnations met, so a lost grant is made good by the next, and a lost
frame by the position that the next one carries.
"""

from __future__ import annotations

from typing import NamedTuple


class Amount(NamedTuple):
    """So many parts with so many bytes of payload."""

    parts: int
    size_bytes: int


WINDOW = Amount(1024, 16 << 20)
"""What a sender may have under way to one receiver beyond what that has consumed."""


class SenderLedger:
    """The sender's side, for one receiver."""

    __slots__ = ("_granted_bytes", "_granted_parts", "frames", "sent_bytes", "sent_parts")

    def __init__(self, window: Amount) -> None:
        self.sent_parts = self.sent_bytes = 0
        self._granted_parts, self._granted_bytes = window
        self.frames = 0

    @property
    def available(self) -> int:
        """Parts that may go now; at least one while there is any credit in bytes, however large it is."""
        return self._granted_parts - self.sent_parts if self.sent_bytes < self._granted_bytes else 0

    @property
    def available_bytes(self) -> int:
        return self._granted_bytes - self.sent_bytes

    def send(self, parts: int, size_bytes: int) -> None:
        """So much leaves in one more frame."""
        self.frames += 1
        self.sent_parts += parts
        self.sent_bytes += size_bytes

    def grant(self, parts: int, size_bytes: int) -> None:
        self._granted_parts = max(self._granted_parts, parts)
        self._granted_bytes = max(self._granted_bytes, size_bytes)


class ReceiverLedger:
    """The receiver's side, for one sender: grants a window beyond what it has consumed."""

    __slots__ = ("_announced", "_held_bytes", "_held_parts", "_received_bytes", "_received_parts", "_window")

    def __init__(self, window: Amount) -> None:
        self._window = window
        self._received_parts = self._received_bytes = 0
        self._held_parts = self._held_bytes = 0
        self._announced = window

    def receive(self, position: Amount, arrived: Amount) -> None:
        """A frame came before which the sender had sent `position`."""
        self._received_parts = max(self._received_parts, position.parts + arrived.parts)
        self._received_bytes = max(self._received_bytes, position.size_bytes + arrived.size_bytes)

    def hold(self, amount: Amount) -> None:
        """Parts wait for a machine here. Parts in a join count against the join, never here."""
        self._held_parts += amount.parts
        self._held_bytes += amount.size_bytes

    def release(self, size_bytes: int) -> None:
        """It has been dealt with."""
        self._held_parts -= 1
        self._held_bytes -= size_bytes

    @property
    def granted(self) -> Amount:
        return Amount(
            self._received_parts - self._held_parts + self._window.parts,
            self._received_bytes - self._held_bytes + self._window.size_bytes,
        )

    def due(self, *, at_once: bool = False) -> Amount | None:
        """The grant to send now, if it has grown by half a window in parts or in bytes (or by one part).

        `at_once`: if it has grown at all; a sender that chooses among replicas has to see who is done.
        """
        granted = self.granted
        more_parts = granted.parts - self._announced.parts
        more_bytes = granted.size_bytes - self._announced.size_bytes
        step = 1 if at_once else max(1, self._window.parts // 2)
        if more_parts < step and more_bytes < max(1, self._window.size_bytes // 2):
            return None
        self._announced = granted
        return granted
