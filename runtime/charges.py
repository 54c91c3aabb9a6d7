"""Items that ended their process, as a worker's parent tells its workers. Pure.

A charge counts one item's attempts alone. A suspect was in user code beside others when a process died: it is
run by itself next time, so that it is known who is to blame.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Key = tuple[int, str]
"""(root, `slot_id` of the item's id)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What is held against one item."""

    root: int
    item_id: str
    """As it stands in a slot."""
    attempts: int = 0
    """Processes that it ended."""
    error: str = ""
    traceback: str = ""
    is_suspect: bool = False

    @property
    def key(self) -> Key:
        return (self.root, self.item_id)


def took_too_long(timeout_s: float) -> str:
    """The error of an item that was ended by its task's `timeout_s`."""
    return f"took longer than timeout_s {timeout_s:g} s"


def encode_charges(charges: Iterable[Charge], limit_bytes: int) -> bytes:
    """As a note; the last ones matter most, so what does not fit is left out from the front."""
    lines: list[bytes] = []
    room = limit_bytes
    for charge in reversed(list(charges)):
        values = [charge.root, charge.item_id, charge.attempts, charge.error, charge.traceback, charge.is_suspect]
        line = json.dumps(values).encode()
        room -= len(line) + 1
        if room < 0:
            break
        lines.append(line)
    return b"\n".join(reversed(lines))


def decode_charges(note: bytes) -> dict[Key, Charge]:
    """Read a note; raises ValueError on one that is none."""
    charges = [_charge(json.loads(line)) for line in note.splitlines()]
    return {charge.key: charge for charge in charges}


def _charge(values: Any) -> Charge:
    match values:
        case [int(root), str(item_id), int(attempts), str(error), str(traceback), bool(is_suspect)]:
            return Charge(
                root=root,
                item_id=item_id,
                attempts=attempts,
                error=error,
                traceback=traceback,
                is_suspect=is_suspect,
            )
    raise ValueError("a line of the note is no charge")
