"""How much of a transfer is under way at a time: what a connection carries in a few milliseconds. Pure.

What else travels over the same connection waits behind it, so it grows slowly and shrinks at once.
"""

from __future__ import annotations

TARGET_S = 0.02
"""What a small message may have to wait."""


class Pace:
    """From 1 to `most` pieces."""

    def __init__(self, most: int, target_s: float = TARGET_S) -> None:
        self.pieces = 1
        self._most = most
        self._target_s = target_s

    def took(self, elapsed_s: float) -> None:
        """So long it was from the leaving of a piece until it was known to have arrived."""
        if elapsed_s > 2 * self._target_s:
            self.pieces = max(1, self.pieces // 2)
        elif elapsed_s > self._target_s:
            self.pieces = max(1, self.pieces - 1)
        else:
            self.pieces = min(self._most, self.pieces + 1)
