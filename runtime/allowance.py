"""How many lines may pass: so many a second, and a burst above that. Pure; the clock comes in."""

from __future__ import annotations


class Allowance:
    """A token bucket that counts what it refused."""

    __slots__ = ("_burst", "_last_s", "_left", "_per_s", "refused")

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = burst
        self._last_s = 0.0
        self.refused = 0
        """Since the last `take_refused`."""

    def take(self, now_s: float) -> bool:
        """Whether one more may pass now."""
        self._left = min(self._burst, self._left + (now_s - self._last_s) * self._per_s)
        self._last_s = now_s
        if self._left < 1:
            self.refused += 1
            return False
        self._left -= 1
        return True

    def take_refused(self) -> int:
        """How many were refused since it was last asked."""
        refused, self.refused = self.refused, 0
        return refused
