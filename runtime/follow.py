"""What a follower of records knows, and what it should look at again. Pure: time is an argument.

A message on a record's subject is only a *hint*: it may come before the record is stored, may be refused by the
stream, and carries no sequence. So the record is read after every hint, until what was read is what was hinted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from runtime.message import Record

RETRY_DELAYS_S = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""When to read again what is not yet what was hinted; after the last one the periodic re-reading has to do."""
REMEMBERED_GONE = 10_000
MARK_BYTES = 64


def _mark(payload: bytes) -> bytes:
    """Enough of a payload to know it again: what is stored by the thousand is not to be held here as well."""
    return payload if len(payload) <= MARK_BYTES else hashlib.sha256(payload).digest()


class FollowState:
    """The present records, and which of the things heard about them are news."""

    def __init__(self) -> None:
        self._known: dict[str, Record] = {}
        # Sequences of records that are gone: a replica that is behind may still show them.
        self._gone: dict[str, int] = {}

    def sequence(self, subject: str) -> int:
        """The newest sequence known of a subject, gone or not."""
        record = self._known.get(subject)
        return self._gone.get(subject, 0) if record is None else record.sequence

    def take(self, record: Record) -> Record | None:
        """What to report of a record that was read: nothing, unless it is newer. An empty payload is *gone*."""
        if record.sequence <= self.sequence(record.subject):
            return None
        return self._set(record)

    def settle(self, subject: str, record: Record | None) -> Record | None:
        """What to report when the leader itself says that this is the record (None: there is none)."""
        known = self._known.get(subject)
        if record is not None and record.payload:
            same = known is not None and known.sequence == record.sequence and known.payload == _mark(record.payload)
            return None if same else self._set(record)
        if known is None:
            return None
        sequence = known.sequence if record is None else record.sequence
        return self._set(replace(known, payload=None, sequence=sequence))

    def doubtful(self, snapshot: Iterable[Record]) -> list[str]:
        """Subjects of which the snapshot knows less than we do: gone, or read from a replica that is behind."""
        present = {record.subject: record.sequence for record in snapshot}
        less = [name for name, known in self._known.items() if present.get(name, 0) < known.sequence]
        back = [name for name, sequence in present.items() if sequence <= self._gone.get(name, 0)]
        return sorted(less + back)

    def _set(self, record: Record) -> Record | None:
        if record.payload:
            self._known[record.subject] = replace(record, payload=_mark(record.payload))
            self._gone.pop(record.subject, None)
            return record
        self._gone[record.subject] = record.sequence
        if len(self._gone) > REMEMBERED_GONE:
            del self._gone[next(iter(self._gone))]
        if self._known.pop(record.subject, None) is None:
            return None
        return replace(record, payload=None)


@dataclass(slots=True)
class _Hint:
    payload: bytes
    due_s: float
    tries: int = 0


class Hints:
    """Subjects to read again, and when."""

    def __init__(self) -> None:
        self._hints: dict[str, _Hint] = {}

    def add(self, subject: str, payload: bytes, now_s: float) -> None:
        """A message was seen on the subject."""
        self._hints[subject] = _Hint(_mark(payload), now_s)

    def due(self, now_s: float) -> list[str]:
        """What to read now."""
        return [subject for subject, hint in self._hints.items() if hint.due_s <= now_s]

    def next_s(self) -> float | None:
        """When something is due next."""
        return min((hint.due_s for hint in self._hints.values()), default=None)

    def expected(self, subject: str) -> bytes | None:
        """What the record should read as."""
        hint = self._hints.get(subject)
        return None if hint is None else hint.payload

    def answered(self, subject: str, hinted: bytes, found: bytes, now_s: float) -> None:
        """The record was read as `found` (empty: none) when the hint was `hinted`."""
        hint = self._hints.get(subject)
        if hint is None or hint.payload is not hinted:
            return  # a newer hint came while we read
        if _mark(found) == hint.payload or hint.tries == len(RETRY_DELAYS_S):
            del self._hints[subject]
            return
        hint.due_s = now_s + RETRY_DELAYS_S[hint.tries]
        hint.tries += 1

    def clear(self) -> Mapping[str, bytes]:
        """Forget all; returns what was hinted."""
        hinted = {subject: hint.payload for subject, hint in self._hints.items()}
        self._hints.clear()
        return hinted
