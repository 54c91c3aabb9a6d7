"""Which objects nobody will ask for any more. Pure.

What has a root goes some time after all of its roots have ended: a process that stalled for longer has found out and
ended itself. What no input names yet may be on its way to one, and is given much longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import NamedTuple

from circe.object_names import Place, Root

KEEP_S = 6.0
"""Longer than a lease (`circe.pulse`)."""
ORPHAN_S = 3600.0
"""Between the end of a producer's upload and its input."""


class Thing(NamedTuple):
    """An object, or the pieces of one that was never finished."""

    nuid: str
    name: str
    """Empty of mere pieces."""
    roots: frozenset[Root]
    written_s: float
    places: tuple[Place, ...] = ()
    """Where messages that name it may lie."""


class Litter:
    """Remembers when it first saw that nobody needs a thing."""

    def __init__(self, keep_s: float = KEEP_S, orphan_s: float = ORPHAN_S) -> None:
        self._keep_s = keep_s
        self._orphan_s = orphan_s
        self._free_since_s: dict[str, float] = {}

    def observe(
        self, now_s: float, wall_s: float, things: Iterable[Thing], ended: Set[Root], *, all_read: bool
    ) -> list[Thing]:
        """What may go. `wall_s` is the time of day; `all_read`: every input there is has been looked at."""
        free = [thing for thing in things if self._is_free(thing, wall_s, ended, all_read)]
        since_s = self._free_since_s
        self._free_since_s = {thing.nuid: since_s.get(thing.nuid, now_s) for thing in free}
        return [thing for thing in free if now_s - self._free_since_s[thing.nuid] >= self._keep_s]

    def _is_free(self, thing: Thing, wall_s: float, ended: Set[Root], all_read: bool) -> bool:
        if thing.roots:
            return thing.roots <= ended
        return all_read and wall_s - thing.written_s > self._orphan_s
