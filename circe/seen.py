"""Which numbers of one sender have been seen, so that a repeated message is taken once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

MAX_MISSING = 4096
"""Numbers remembered as missing; older ones count as seen (a late frame is then lost, and sent again)."""


MOST_STRANGERS = 1024


def forget_strangers(known: dict[str, Any], live: Collection[str], most: int = MOST_STRANGERS) -> None:
    """Keep what is known of senders bounded, whatever they call themselves: the oldest of those who are not live go."""
    if len(known) > most + len(live):
        strangers = [name for name in known if name not in live]
        for name in strangers[: len(strangers) - most // 2]:
            del known[name]


class Seen:
    """Numbers count from 1 and mostly arrive in order."""

    __slots__ = ("_missing", "_top")

    def __init__(self) -> None:
        self._top = 0
        self._missing: dict[int, None] = {}

    def is_new(self, number: int) -> bool:
        """Take note of `number`; false if it was there before."""
        if number > self._top:
            first = max(self._top + 1, number - MAX_MISSING)
            self._missing.update(dict.fromkeys(range(first, number)))
            self._top = number
            while len(self._missing) > MAX_MISSING:
                del self._missing[next(iter(self._missing))]
            return True
        if number in self._missing:
            del self._missing[number]
            return True
        return False
