"""How many lines may pass: so many a second, and a burst above that. Pure; the clock comes in."""

from __future__ import annotations


class Allowance:
    """A token bucket that counts what it refused, and says so no more than once a second."""

    __slots__ = ("_burst", "_last_s", "_left", "_per_s", "_said_s", "refused")

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = burst
        self._last_s = 0.0
        self._said_s = 0.0
        self.refused = 0
        """Since they were last told."""

    def take(self, now_s: float) -> bool:
        """Whether one more may pass now."""
        self._left = min(self._burst, self._left + (now_s - self._last_s) * self._per_s)
        self._last_s = now_s
        if self._left < 1:
            self.refused += 1
            return False
        self._left -= 1
        return True

    def tell_refused(self, now_s: float) -> int:
        """How many were refused since they were last told; 0 also when that was less than a second ago."""
        if not self.refused or now_s - self._said_s < 1.0:
            return 0
        self._said_s = now_s
        refused, self.refused = self.refused, 0
        return refused
