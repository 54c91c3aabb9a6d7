"""Whether the other end of a connection still lives, from what it answers to pings. Pure.

A peer that vanishes without a word leaves a connection that looks well for ever. Its silence must not be mistaken for
a slow line, on which an answer waits behind megabytes: neither while something comes, nor while the peer's machine
has yet to take what was written before the ping. There the kernel's own limit holds (`TCP_USER_TIMEOUT`).
"""

from __future__ import annotations

PING_INTERVAL_S = 2.0
SILENT_PINGS = 3
"""So many pings behind which nothing waited, and not a byte since: nobody is there."""
UNANSWERED_PINGS = 12
"""However busy the line is: who brings us what others say, and never an answer of its own, does not hear us."""
BACKLOG_BYTES = 64 << 10
"""What is more than this is on its way for a while."""


class Keepalive:
    """Of one connection."""

    def __init__(self) -> None:
        self._silent = self._unanswered = 0

    def heard(self) -> None:
        """Something came."""
        self._silent = 0

    def answered(self) -> None:
        """An answer to a ping came."""
        self._silent = self._unanswered = 0

    def is_lost(self, backlog_bytes: int) -> bool:
        """Whether to give the connection up; if not, it is time for another ping.

        `backlog_bytes`: what was written and the peer's machine has not taken yet.
        """
        if self._silent >= SILENT_PINGS or self._unanswered >= UNANSWERED_PINGS:
            return True
        self._silent = 0 if backlog_bytes > BACKLOG_BYTES else self._silent + 1
        self._unanswered += 1
        return False
