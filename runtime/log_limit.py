"""No more than a few lines a second of one kind: what somebody sends us by the thousand must not fill a disk. Pure.

A kind is what one place in the code says. The next line that passes tells how many of its kind did not. What tasks
and stages say of single items is not limited here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from runtime.allowance import Allowance

LINES_PER_S = 0.5
BURST_LINES = 10
LIMITED = ("runtime.", "asyncio")
"""Loggers whose lines others can provoke."""


class LogLimit(logging.Filter):
    """For a handler; warnings and errors only."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: dict[tuple[str, int, str], Allowance] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or not record.name.startswith(LIMITED):
            return True
        kind = (record.name, record.levelno, str(record.msg))
        allowance = self._kinds.setdefault(kind, Allowance(LINES_PER_S, BURST_LINES))
        left_out = allowance.refused
        if not allowance.take(self._clock()):
            return False
        if left_out:
            allowance.refused = 0
            record.msg, record.args = f"{record.getMessage()} (and {left_out:,} like it before)", ()
        return True
