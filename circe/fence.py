"""Whether this process may still speak: not when it was away for so long that others have taken over. Pure.

A process that is stopped (SIGSTOP, a machine that sleeps) or cut off does not know what became of its items
meanwhile: sent again, ended, read, and their ids free again in the egress. So it ends, before anything more leaves it.
"""

from __future__ import annotations

from circe.pulse import LEASE_S

CUT_OFF_S = 30.0
"""Without an answer of the server for this long, nothing is sent. Longer than the lease, because who was cut off and
comes back goes on as the one it was; half as long as results are kept (`circe.purge`), because what is sent last still
has to arrive."""


class Fence:
    """One process's right to speak; once lost it is lost for good."""

    def __init__(self, now_s: float) -> None:
        self._ran_s = self._heard_s = now_s
        self._fault = ""

    def ran(self, now_s: float, spoken_for_s: float) -> str:
        """With every beat. What is wrong, as `fault` says it."""
        if not self.fault(now_s, spoken_for_s):
            self._ran_s = now_s
        return self._fault

    def heard(self, asked_s: float) -> None:
        """The server has answered what it was asked then."""
        self._heard_s = asked_s

    def fault(self, now_s: float, spoken_for_s: float) -> str:
        """Why nothing may be sent any more; empty while all is well.

        `spoken_for_s`: when somebody else last said that we live.
        """
        if not self._fault:
            if now_s - max(self._ran_s, spoken_for_s) > LEASE_S:
                self._fault = "stalled for longer than its lease"
            elif now_s - max(self._heard_s, spoken_for_s) > CUT_OFF_S:
                self._fault = f"cut off from the server for longer than {CUT_OFF_S:g} s"
        return self._fault
