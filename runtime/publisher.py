"""Which publishes still wait for their acknowledgement, and since when. Pure: the clock is an argument.

Every entry leaves exactly once: by its answer, by its deadline, or with all others when the connection ends.
"""

from __future__ import annotations

import math
from typing import Generic, TypeVar

EntryT = TypeVar("EntryT")

TICK_S = 0.1
"""Deadlines are kept by the tick: they are met late by at most this much, and cost one list append."""


class PendingAnswers(Generic[EntryT]):
    """Entries by the token of their reply subject."""

    __slots__ = ("_by_tick", "_entries")

    def __init__(self) -> None:
        self._entries: dict[bytes, EntryT] = {}
        self._by_tick: dict[int, list[bytes]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, token: bytes, entry: EntryT, deadline_s: float) -> None:
        """Wait for an answer to `token` until `deadline_s` on the caller's clock."""
        self._entries[token] = entry
        tick = math.ceil(deadline_s / TICK_S)
        due = self._by_tick.get(tick)
        if due is None:
            self._by_tick[tick] = [token]
        else:
            due.append(token)

    def take(self, token: bytes) -> EntryT | None:
        """The entry that was answered; None for an answer nobody waits for any more."""
        return self._entries.pop(token, None)

    def expired(self, now_s: float) -> list[EntryT]:
        """Take out what is past its deadline."""
        now_tick = math.floor(now_s / TICK_S)
        late: list[EntryT] = []
        for tick in sorted(tick for tick in self._by_tick if tick <= now_tick):
            for token in self._by_tick.pop(tick):
                entry = self._entries.pop(token, None)
                if entry is not None:
                    late.append(entry)
        return late

    def entries(self) -> list[EntryT]:
        """All that wait."""
        return list(self._entries.values())

    def take_all(self) -> list[EntryT]:
        """Take out everything: the connection ended, or the bus closes."""
        entries = self.entries()
        self._entries.clear()
        self._by_tick.clear()
        return entries
