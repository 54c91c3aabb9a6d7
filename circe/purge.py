"""When results may leave their queue: acknowledged by their reader, their inputs ended, and no zombie left. Pure.

A result is also the memory that refuses its double. So it goes only once its input has ended and `KEEP_S` has passed
since: whoever was away for longer says nothing more (`circe.fence`), and whoever was not knows what is over. The queue
is the egress or an inner one, and its results come from the ingress and from the inner queues above.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

KEEP_S = 60.0
"""Longer than a process that is cut off goes on (30 s) and what it sent last is under way (10 s); and, with the lease
that comes before it, longer than a server keeps the connection of a process that was stopped while sending (60 s with
`ping_interval: 20s`, which the embedded one has)."""

Sequences = Mapping[str, int]
"""By queue."""


class Origin(NamedTuple):
    """One result and the input that it comes from."""

    sequence: int
    queue: str
    root: int


class _Mark(NamedTuple):
    results_floor: int
    last_taken: Sequences


class _Moment(NamedTuple):
    seen_s: float
    oldest_open: Sequences


class Purge:
    """Remembers what was acknowledged and had ended when, and says up to where the queue may be purged."""

    def __init__(self, keep_s: float = KEEP_S) -> None:
        self._keep_s = keep_s
        self._marks: deque[_Mark] = deque()
        self._moments: deque[_Moment] = deque()
        self._ended_before: Sequences = {}
        """By queue: inputs below this sequence had ended `keep_s` ago."""
        self._floor = 0
        self.purged = 0

    @property
    def is_behind(self) -> bool:
        """Whether there are acknowledged results that have not gone."""
        return self._floor > self.purged

    def observe(self, now_s: float, results_floor: int, last_taken: Sequences, oldest_open: Sequences) -> int | None:
        """The sequence to purge up to (with it), or None.

        `results_floor`: every result up to here was acknowledged by its reader. `last_taken`: highest sequence taken
        so far, of every queue that they may come from. `oldest_open`: lowest sequence there that has not ended.
        """
        self._moments.append(_Moment(now_s, oldest_open))
        while self._moments and now_s - self._moments[0].seen_s > self._keep_s:
            self._ended_before = self._moments.popleft().oldest_open
        if results_floor > self._floor:
            self._floor = results_floor
            self._marks.append(_Mark(results_floor, last_taken))
        up_to = None
        # A queue that is there no more was empty when it went.
        while self._marks and all(
            self._has_ended(queue, root) for queue, root in self._marks[0].last_taken.items() if queue in oldest_open
        ):
            up_to = self._marks.popleft().results_floor
        return self._purge(up_to)

    def examine(self, results: Iterable[Origin]) -> int | None:
        """The same, from a look at the results that come next.

        What `observe` waits for never comes when the queue is full: the inputs under way cannot end before there is
        room for their results.
        """
        up_to = None
        for sequence, queue, root in results:
            if sequence > self._floor or not self._has_ended(queue, root):
                break
            up_to = sequence
        return self._purge(up_to)

    def _has_ended(self, queue: str, root: int) -> bool:
        return root < self._ended_before.get(queue, 0)

    def _purge(self, up_to: int | None) -> int | None:
        if up_to is None or up_to <= self.purged:
            return None
        self.purged = up_to
        return up_to
