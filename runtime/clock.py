"""The clock to tell by how long we were away: it goes on while the machine sleeps, as the others' clocks do."""

from __future__ import annotations

import time

# On macOS the monotonic clock is already of this kind.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def clock_s() -> float:
    """Seconds since some moment; the same for all processes of a machine."""
    return time.clock_gettime(_CLOCK)
