"""The server's side of a queue in the model check: what it holds, and to whom it gives it."""

from __future__ import annotations

from typing import NamedTuple

PENDING, OUT, ACKNOWLEDGED = "pending", "out", "acknowledged"


class Held(NamedTuple):
    """One item of a queue."""

    sequence: int
    item_id: str
    origin: int
    """The input that it descends from, in the ingress."""


class ServerQueue:
    """Keeps one item of an id, gives it to whoever asks, and again until it is acknowledged."""

    def __init__(self) -> None:
        self.states: dict[int, str] = {}
        self._held: dict[int, Held] = {}
        self._by_id: dict[str, Held] = {}

    def put(self, item_id: str, origin: int) -> int:
        """Store an item unless its id is here; the origin of the one that is."""
        if item_id not in self._by_id:
            held = Held(len(self._held) + 1, item_id, origin)
            self._held[held.sequence] = self._by_id[item_id] = held
            self.states[held.sequence] = PENDING
        return self._by_id[item_id].origin

    def has(self, item_id: str) -> bool:
        return item_id in self._by_id

    def origin_of(self, item_id: str) -> int | None:
        found = self._by_id.get(item_id)
        return None if found is None else found.origin

    def id_of(self, sequence: int) -> str:
        return self._held[sequence].item_id

    def deliver(self) -> Held | None:
        """The first item that nobody has."""
        for sequence, state in self.states.items():
            if state == PENDING:
                self.states[sequence] = OUT
                return self._held[sequence]
        return None

    def delivered(self) -> list[Held]:
        """What somebody has."""
        return [self._held[sequence] for sequence, state in self.states.items() if state == OUT]

    def acknowledge(self, sequence: int) -> None:
        self.states[sequence] = ACKNOWLEDGED

    def give_again(self, sequence: int) -> None:
        """It was given back, or its acknowledgement did not come in time."""
        if self.states[sequence] == OUT:
            self.states[sequence] = PENDING

    def reset(self) -> None:
        """All that was delivered and not acknowledged is to come again."""
        for sequence in self.states:
            self.give_again(sequence)

    def open(self) -> list[int]:
        return [sequence for sequence, state in self.states.items() if state != ACKNOWLEDGED]
