"""The rhythm of beats: rates and latencies. Pure; the clock comes in."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

BEAT_S = 0.5
LEASE_S = 5.0
"""Without a beat for this long, an incarnation counts as gone."""
SAMPLES = 2048


class Pulse:
    """What one process says of itself at each beat."""

    def __init__(self, now_s: float) -> None:
        self._last_s = now_s
        self._counts: dict[str, int] = {}
        self._samples: deque[float] = deque(maxlen=SAMPLES)
        self._busy_s = 0.0
        self.busy_s = 0.0
        """In user code, since the start."""
        self.number = 0

    def add(self, took_s: Sequence[float]) -> None:
        """Items took this long each."""
        busy_s = sum(took_s)
        self._samples.extend(took_s)
        self._busy_s += busy_s
        self.busy_s += busy_s

    def beat(self, now_s: float, counts: Mapping[str, int]) -> tuple[dict[str, float], dict[str, float]]:
        """Rates per second since the last beat; latency quantiles."""
        elapsed_s = max(now_s - self._last_s, 1e-9)
        rates = {
            f"{name}_per_s": round((counts.get(name, 0) - self._counts.get(name, 0)) / elapsed_s, 3)
            for name in ("in", "out", "results", "ended")
            if name in counts
        }
        rates["busy_ratio"] = round(self._busy_s / elapsed_s, 4)
        self._last_s, self._counts, self._busy_s = now_s, dict(counts), 0.0
        self.number += 1
        return rates, quantiles(self._samples)


def quantiles(samples: deque[float]) -> dict[str, float]:
    """Median and 99th percentile in seconds; nothing without samples."""
    if not samples:
        return {}
    ordered = sorted(samples)
    return {"p50": ordered[len(ordered) // 2], "p99": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]}
