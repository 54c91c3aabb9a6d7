"""What moves on direct edges, and the ids of items.

An id is `<run>-<root>[.k…]`: `run` is drawn when the ingress is created, `root` is the ingress sequence or
`~` and the producer's own id, and `.k` marks the k-th output to a child. No clock and no random, so an item
that runs again has the same id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from runtime import subjects
from runtime.reference import Payload


class Part(NamedTuple):
    """One item, or its absence, on its way along one edge: the unit of lineage."""

    root: int
    """Sequence in the head's queue of the input it descends from."""
    attempt: int
    """Higher ones replace lower ones; an even one is not the first (`attempt_above`)."""
    mid: int
    """Random 64-bit id of this very message, the one that is XORed."""
    item_id: str
    payload: Payload | None
    """`None` is an absence: the branch answers that nothing will come."""
    reason: str = ""
    """Of an absence: `filtered`, `not chosen`, `dead letter`."""
    headers: Mapping[str, str] | None = None


class Frame(NamedTuple):
    """Parts of one head from one sender to one receiver, in one message."""

    sender: str
    number: int
    """Counts the sender's frames to this receiver, from 1."""
    position: int
    """How many parts the sender sent to this receiver before this frame."""
    position_bytes: int
    """How many bytes of payload they had."""
    source: str
    """The task they come from (`home` for the gateway)."""
    head: str
    parts: list[Part]


class Report(NamedTuple):
    """What a worker is done with: (root, attempt, XOR of the ids consumed and sent on), many per message."""

    sender: str
    number: int
    entries: list[tuple[int, int, int]]


class Control(NamedTuple):
    """To one incarnation: how much it may send in all, and which roots are over."""

    sender: str
    granted: int | None
    """Parts since the two met; None when this is not about credit."""
    granted_bytes: int
    """Bytes of payload."""
    over: list[tuple[int, int, bool]]
    """(root, attempt, whether the root has ended): attempts up to this one are over."""


def root_id(run: str, sequence: int, message_id: str | None) -> str:
    """The id of the item that entered as `sequence`, published under `message_id` if it had one."""
    return f"{run}-~{subjects.escape_id(message_id)}" if message_id else f"{run}-{sequence}"


def output_id(item_id: str, index: int) -> str:
    """The id of the `index`-th output (from 1) to a child."""
    return f"{item_id}.{index}"


def attempt_above(attempt: int, *, again: bool) -> int:
    """The next number of an attempt: even when an earlier attempt of the same root may have come to something."""
    return attempt + 1 + ((attempt + 1) % 2 == again)


def is_again(attempt: int) -> bool:
    """Whether an earlier attempt of the same root may have come to something."""
    return attempt % 2 == 0
