"""What is known of one directed link: samples in, estimate out; and how large the next probe should be.

Called by `agents.link_profiler`, which measures. Times are durations on one clock of one host. A probe that failed is
a loss, never a time: it can make a link `stale` or `down`, not slow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import sqrt
from statistics import median

from runtime.profiles import LinkEstimate

CHUNK_BYTES = 64 << 10
"""Of the data plane: servers store and forward whole messages, so another size would measure another link."""
FIRST_BYTES = 16 << 10
CAP_BYTES = 1 << 20
ENOUGH_S = 0.040
"""A probe whose bytes take this long stands clear of the noise of two schedulers."""
QUICK_S = 0.005
SLOW_S = 0.5
LONGEST_S = 6.0
TRAIN_BYTES = 4 * CHUNK_BYTES
"""Servers on the way store a whole message before they send it on. One message pays every leg in full; only in
a train do the legs work at the same time, as they do for the data."""
AGREE_RATIO = 0.15
REPEATS = 3
FIRST_TIMEOUT_S = 5.0
LEAST_TIMEOUT_S = 1.0
DOWN_AFTER_LOSSES = 3
PING_WINDOW = 30
TRAIN_WINDOW = 24
_SHORTEST_S = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Train:
    """One bulk probe: chunks sent one after another, the last one answered."""

    size_bytes: int
    elapsed_s: float
    """Sender: from before the first chunk to the answer."""
    tail_bytes: int = 0
    """Receiver: bytes after the first chunk, and the time they took to arrive."""
    tail_s: float = 0.0


class LinkHistory:
    """Recent samples of one directed link."""

    def __init__(self) -> None:
        self._rtts_s: deque[float] = deque(maxlen=PING_WINDOW)
        self._trains: deque[Train] = deque(maxlen=TRAIN_WINDOW)
        self._fresh: list[Train] = []
        self._losses = 0

    def ping_answered(self, rtt_s: float) -> None:
        self._rtts_s.append(max(rtt_s, _SHORTEST_S))
        self._losses = 0

    def train_answered(self, train: Train) -> None:
        self._fresh.append(train)

    def lost(self) -> None:
        """A probe was not answered in time, or not in full."""
        self._losses += 1

    @property
    def is_down(self) -> bool:
        return self._losses >= DOWN_AFTER_LOSSES

    @property
    def is_answering(self) -> bool:
        """Whether the last probe was answered: only then is a bulk probe worth its bytes."""
        return bool(self._rtts_s) and not self._losses

    def timeout_s(self, size_bytes: int) -> float:
        """How long a train of that size may take before it counts as lost."""
        known = self._fresh or self._trains
        if not known:
            return FIRST_TIMEOUT_S
        before = known[-1]
        return LEAST_TIMEOUT_S + 4 * before.elapsed_s * max(1.0, size_bytes / before.size_bytes)

    def next_bytes(self) -> int | None:
        """Size of the next bulk probe of this round; None when the round has seen enough."""
        return next_bytes(self._fresh, min(self._rtts_s)) if self._rtts_s else None

    def round_ended(self) -> None:
        """Keep the round just measured; an older one describes the link as it was."""
        if self._fresh:
            self._trains = deque(self._fresh, maxlen=TRAIN_WINDOW)
            self._fresh = []

    def estimate(self) -> LinkEstimate | None:
        """What is known now; None while nothing is."""
        state = "down" if self.is_down else "stale" if self._losses else "ok"
        found = fit(tuple(self._rtts_s), tuple(self._trains or self._fresh), state)
        return found or (UNREACHED if self.is_down else None)


UNREACHED = LinkEstimate(
    latency_s=0.0,
    bandwidth_bytes_per_s=0.0,
    bandwidth_low_bytes_per_s=0.0,
    bandwidth_high_bytes_per_s=0.0,
    rtt_min_s=0.0,
    rtt_p90_s=0.0,
    samples=0,
    state="down",
)
"""A peer that lives but has never answered: no samples, so nothing but `state` means anything."""


def fit(rtts_s: Sequence[float], trains: Sequence[Train], state: str = "ok") -> LinkEstimate | None:
    """The affine link behind the samples, or None when a part of it was never measured.

    Latency is half of the shortest round trip (an asymmetric path cannot be told apart without common
    clocks). Bandwidth comes from the slope between the two largest sizes, each by its fastest probe because
    queueing only ever adds, and from how the largest trains spread out on arrival.
    """
    if not rtts_s or not trains:
        return None
    rtt_min_s = min(rtts_s)
    largest = max(train.size_bytes for train in trains)
    floor = _floor(_times(trains, largest)[0], largest, rtt_min_s)
    slopes = _slopes(trains)
    tails = [t.tail_bytes / t.tail_s for t in trains if t.size_bytes == largest and t.tail_s > 0]
    found = [max(rate, floor) for rate in (_fastest_slope(trains), median(tails) if tails else None) if rate]
    bandwidth = sqrt(found[0] * found[-1]) if found else _whole_rate(_times(trains, largest)[0], largest, rtt_min_s)
    seen = [bandwidth, *found, *(max(rate, floor) for rate in slopes + tails)]
    return LinkEstimate(
        latency_s=rtt_min_s / 2,
        bandwidth_bytes_per_s=bandwidth,
        bandwidth_low_bytes_per_s=min(seen),
        bandwidth_high_bytes_per_s=max(seen),
        rtt_min_s=rtt_min_s,
        rtt_p90_s=sorted(rtts_s)[int(0.9 * (len(rtts_s) - 1))],
        samples=len(rtts_s) + len(trains),
        state=state,
    )


def _whole_rate(elapsed_s: float, size_bytes: int, rtt_min_s: float) -> float:
    """Bytes per second if the link had no latency on the way there: below its bandwidth, never above."""
    return size_bytes / max(elapsed_s - rtt_min_s / 2, _SHORTEST_S)


def _floor(elapsed_s: float, size_bytes: int, rtt_min_s: float) -> float:
    """The whole-train rate where differences of times are mostly noise: on fast links. On slow ones it may
    not count, because what a shaper lets through in a burst would pass for bandwidth."""
    is_noisy = elapsed_s - rtt_min_s < ENOUGH_S
    return _whole_rate(elapsed_s, size_bytes, rtt_min_s) if is_noisy else 0.0


def _two_largest(trains: Sequence[Train]) -> tuple[int, int] | None:
    sizes = sorted({train.size_bytes for train in trains})
    return (sizes[-2], sizes[-1]) if len(sizes) > 1 else None


def _times(trains: Sequence[Train], size_bytes: int) -> list[float]:
    return sorted(train.elapsed_s for train in trains if train.size_bytes == size_bytes)


def _fastest_slope(trains: Sequence[Train]) -> float | None:
    sizes = _two_largest(trains)
    if sizes is None:
        return None
    gained_s = _times(trains, sizes[1])[0] - _times(trains, sizes[0])[0]
    return (sizes[1] - sizes[0]) / gained_s if gained_s > _SHORTEST_S else None


def _slopes(trains: Sequence[Train]) -> list[float]:
    """Rates between the repeats of the two largest sizes: as far as they scatter, so little is known."""
    sizes = _two_largest(trains)
    if sizes is None:
        return []
    pairs = product(_times(trains, sizes[0])[:2], _times(trains, sizes[1])[:2])
    return [(sizes[1] - sizes[0]) / (long_s - short_s) for short_s, long_s in pairs if long_s > short_s]


def next_bytes(trains: Sequence[Train], rtt_min_s: float) -> int | None:
    """Size of the next probe after these, or None when two sizes have been measured well enough.

    Sizes grow until the bytes alone take long enough to be told from noise; fast links stop at a cap.
    """
    if not trains:
        return FIRST_BYTES
    largest = max(train.size_bytes for train in trains)
    fastest_s = _times(trains, largest)[0]
    bytes_s = fastest_s - rtt_min_s
    is_clear = bytes_s >= max(ENOUGH_S, 3 * rtt_min_s)
    may_grow = largest < CAP_BYTES and 4 * fastest_s < LONGEST_S
    if may_grow and not (is_clear and largest >= TRAIN_BYTES):
        return min(largest * (16 if bytes_s < QUICK_S else 4), CAP_BYTES)
    sizes = _two_largest(trains)
    if sizes is None:
        return largest // 4
    if bytes_s >= ENOUGH_S and sizes[0] < largest // 4:
        return largest // 4  # the smaller size may have been a shaper's burst; a quarter takes 10 ms or more
    return next((size for size in reversed(sizes) if not _is_settled(_times(trains, size))), None)


def _is_settled(times_s: Sequence[float]) -> bool:
    """Whether the two fastest repeats of a size agree, or there were enough of them, or they last long."""
    if len(times_s) < 2:
        return times_s[0] > SLOW_S
    return len(times_s) >= REPEATS or times_s[1] - times_s[0] <= AGREE_RATIO * times_s[0]


def has_moved(old: LinkEstimate | None, new: LinkEstimate, ratio: float = 0.1) -> bool:
    """Whether a reader should hear of the change now instead of with the next regular row."""
    if old is None or old.state != new.state:
        return True
    pairs = (
        (old.latency_s, new.latency_s),
        (old.bandwidth_bytes_per_s, new.bandwidth_bytes_per_s),
    )
    return any(abs(after - before) > ratio * before for before, after in pairs)
