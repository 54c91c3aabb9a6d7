"""How far the input may be read ahead of what has ended. Pure; the clock comes in.

Reading stays a second or two ahead: enough that the pipeline is never short of work, and little enough that
what is in flight at Ctrl-C can be finished.
"""

from __future__ import annotations

AHEAD_S = 1.5
AT_LEAST = 64
RISE = 0.2
"""Of the way to a higher rate, per look: inputs end in bursts, and one burst is no rate."""
FADE = 0.97
"""Per look: a pause of a few looks is no reason to begin from the smallest lead again."""


class Lead:
    """Look at it whenever it is known how many inputs have ended."""

    def __init__(self, now_s: float) -> None:
        self.items = AT_LEAST
        self._rate_per_s = 0.0
        self._ended = 0
        self._now_s = now_s

    def look(self, ended: int, now_s: float) -> None:
        """So many inputs have ended by now."""
        elapsed_s = now_s - self._now_s
        if elapsed_s <= 0:
            return
        rate_per_s = (ended - self._ended) / elapsed_s
        rise = RISE * (rate_per_s - self._rate_per_s)
        self._rate_per_s = self._rate_per_s + rise if rise > 0 else self._rate_per_s * FADE
        self._ended, self._now_s = ended, now_s
        self.items = max(AT_LEAST, int(self._rate_per_s * AHEAD_S))
