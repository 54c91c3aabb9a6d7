"""How many items the head keeps in flight: enough to keep every machine busy, and no more. Pure.

By Little's law a pipeline that ends `rate` items per second and takes `latency` for each holds rate x latency.
Half as much again lets the rate be seen to grow, and the window grows with it until it does not; more would only
wait in queues. As BBR does for a network path (Cardwell et al., ACM Queue 14(5), 2016), the latency is the lowest
seen, because others have the queues in them; and when that is old, the window shrinks for a moment to see it again.
"""

from __future__ import annotations

FLOOR_ITEMS = 256
GAIN = 1.5
INTERVAL_S = 0.1
"""The shortest time over which a rate is taken."""
MEMORY_S = 10.0
"""How long the lowest latency counts before it is looked for again."""


class Window:
    """Grows and shrinks between `FLOOR_ITEMS` and a limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.size = min(FLOOR_ITEMS, limit)
        self._since_s: float | None = None
        self._ended = 0
        self._rate = 0.0
        self._lowest_s = float("inf")
        self._lowest_seen_s = 0.0
        self._probe_end_s: float | None = None

    def bound(self, limit: int) -> None:
        """Another limit from now on."""
        self._limit = limit
        self.size = min(self.size, limit)

    def ended(self, latencies_s: list[float], now_s: float) -> None:
        """Items have ended, each after so long."""
        if self._since_s is None:
            self._since_s = self._lowest_seen_s = now_s
            return
        fastest_s = min(latencies_s)
        if fastest_s <= self._lowest_s:
            self._lowest_s, self._lowest_seen_s = fastest_s, now_s
        self._ended += len(latencies_s)
        if self._probe_end_s is not None:
            self._probe(now_s)
        elif now_s - self._lowest_seen_s > MEMORY_S:
            # Twice the present latency: once for the queues to empty, once for items that met none.
            self._probe_end_s = now_s + max(INTERVAL_S, 2 * fastest_s)
            self._lowest_s = float("inf")
            self.size = min(FLOOR_ITEMS, self._limit)
        elif now_s - self._since_s >= INTERVAL_S:
            self._rate = self._ended / (now_s - self._since_s)
            self._resize(now_s)

    def _probe(self, now_s: float) -> None:
        if self._probe_end_s is not None and now_s >= self._probe_end_s:
            self._probe_end_s, self._lowest_seen_s = None, now_s
            self._resize(now_s)  # back to the rate from before

    def _resize(self, now_s: float) -> None:
        wanted = int(GAIN * self._rate * self._lowest_s) + 1
        self.size = min(self._limit, max(FLOOR_ITEMS, wanted))
        self._since_s, self._ended = now_s, 0
