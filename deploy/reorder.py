"""Results in the order of their inputs. Pure.

A result may leave when every earlier input has ended and all that the egress held at that moment was read. So
the caller reads two numbers in this order, the ingress's first sequence and then the egress's last, and asks
for what they release.
"""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

from deploy.positions import Places

ValueT = TypeVar("ValueT")


class Reorder(Generic[ValueT]):
    """Results that wait for earlier inputs."""

    def __init__(self, places: Places, read_up_to: int) -> None:
        """`read_up_to`: the sequence of the egress that was read and written before."""
        self._places = places
        self._read = read_up_to
        self._early: set[int] = set()
        """Read above `_read`: what was lost in between comes again."""
        self._waiting: list[tuple[int, tuple[int, ...], str, int, ValueT]] = []
        self._unplaced: list[tuple[int, str, str, int, ValueT]] = []
        """Their inputs' positions are not known yet: the result was faster than the ingress's answer to us."""

    def __len__(self) -> int:
        return len(self._waiting) + len(self._unplaced)

    @property
    def read_up_to(self) -> int:
        """All of the egress up to here was read."""
        return self._read

    def take(self, sequence: int, root: int, item_id: str, task: str, value: ValueT) -> bool:
        """A result was read from the egress; False when it was read before."""
        if sequence <= self._read or sequence in self._early:
            return False
        self._early.add(sequence)
        self._advance()
        position = self._places.position(root)
        if position is None:
            self._unplaced.append((root, item_id, task, sequence, value))
        else:
            heapq.heappush(self._waiting, (position, output_order(item_id), task, sequence, value))
        return True

    def skip(self, first_sequence: int) -> None:
        """The egress holds nothing below `first_sequence` any more."""
        if first_sequence - 1 > self._read:
            self._read = first_sequence - 1
            self._early = {sequence for sequence in self._early if sequence > self._read}
            self._advance()

    def release(self, first_sequence: int) -> list[tuple[int | None, ValueT]]:
        """What may leave when all inputs below `first_sequence` have ended and their results were read.

        In order, with the position of the input; None for an input that somebody else put there.
        """
        foreign = self._place(first_sequence)
        floor = self._places.floor(first_sequence)
        released: list[tuple[int | None, ValueT]] = []
        while self._waiting and self._waiting[0][0] < floor:
            position, *_, value = heapq.heappop(self._waiting)
            released.append((position, value))
        return released + foreign

    def _place(self, first_sequence: int) -> list[tuple[int | None, ValueT]]:
        foreign: list[tuple[int | None, ValueT]] = []
        unplaced, self._unplaced = self._unplaced, []
        for entry in unplaced:
            root, item_id, task, sequence, value = entry
            position = self._places.position(root)
            if position is not None:
                heapq.heappush(self._waiting, (position, output_order(item_id), task, sequence, value))
            elif root < first_sequence and self._places.is_settled:
                foreign.append((None, value))
            else:
                self._unplaced.append(entry)
        return foreign

    def _advance(self) -> None:
        while self._read + 1 in self._early:
            self._read += 1
            self._early.remove(self._read)


def output_order(item_id: str) -> tuple[int, ...]:
    """What orders the results of one input: `<run>-<root>.2.1` comes before `.2.10`."""
    return tuple(int(index) if index.isdigit() else 0 for index in item_id.split(".")[1:])
