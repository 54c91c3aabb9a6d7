"""What a standing pull has asked for and what is still to come. Pure: events in, requests out; time is an argument.

The server answers a request with messages and ends it with a status that says how many will not come. So the sum
of what is outstanding stays exact over several requests, until something is lost: then the pull starts a new
*generation* under a new reply subject, and what the old one had asked for lapses.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

BACK_OFF_FIRST_S = 0.05
BACK_OFF_MOST_S = 2.0


@dataclass(frozen=True, slots=True)
class PullRequest:
    """Ask the consumer for this much, under the reply subject of this generation."""

    generation: int
    count: int
    max_bytes: int

    def encode(self, expires_s: float, heartbeat_s: float) -> bytes:
        """The request as the server reads it."""
        body: dict[str, int] = {
            "batch": self.count,
            "expires": int(expires_s * 1e9),
            "idle_heartbeat": int(heartbeat_s * 1e9),
        }
        if self.max_bytes:
            body["max_bytes"] = self.max_bytes
        return json.dumps(body).encode()


class PullState:
    """`step` says what to ask for now; the others say what happened."""

    def __init__(self, heartbeat_s: float) -> None:
        self.wanted = 0
        """How many more messages the reader is ready to take."""
        self.outstanding = 0
        """How many of them the server was asked for and has neither sent nor taken back."""
        self.generation = 0
        self.trouble = ""
        """The last status that says that the pull cannot go on; empty while it can."""
        self._max_bytes = 0
        self._silence_s = 2.0 * heartbeat_s
        self._heard_s = 0.0
        self._not_before_s = 0.0
        self._back_off_s = BACK_OFF_FIRST_S

    def want(self, count: int, max_bytes: int) -> None:
        """Be ready for `count` more from now on, in requests of at most `max_bytes` (0: any)."""
        self.wanted = count
        self._max_bytes = max_bytes

    def step(self, now_s: float) -> PullRequest | None:
        """What to ask for now, if anything; nothing when a new generation has just begun."""
        if self.outstanding and now_s - self._heard_s > self._silence_s:
            self.restart(now_s, "two heartbeats missed")
            return None
        missing = self.wanted - self.outstanding
        # Refilled at one half: fewer requests, and the server is never idle while we want more.
        if missing <= 0 or self.outstanding > self.wanted // 2 or now_s < self._not_before_s:
            return None
        if not self.outstanding:
            self._heard_s = now_s
        self.outstanding += missing
        return PullRequest(self.generation, missing, self._max_bytes)

    def wake_s(self, now_s: float) -> float | None:
        """When `step` should be asked again although nothing happened."""
        if self.outstanding:
            return self._heard_s + self._silence_s + 0.01
        return max(self._not_before_s, now_s) if self.wanted > 0 else None

    def delivered(self, generation: int, now_s: float) -> None:
        """One message came."""
        if self.wanted:
            self.wanted -= 1
        if generation == self.generation:
            self._heard_s = now_s
            self._back_off_s = BACK_OFF_FIRST_S
            self.trouble = ""
            if self.outstanding:
                self.outstanding -= 1

    def status(self, generation: int, status: int, description: str, left: int | None, now_s: float) -> None:
        """A status message came; `left` is how many messages of its request will not come."""
        if generation != self.generation:
            return
        self._heard_s = now_s
        if status == 100:  # a heartbeat
            return
        if left is not None:
            # The request ended by time or size, or gave back what it could not serve: the rest goes on.
            self.outstanding = max(0, self.outstanding - left)
            if status in (404, 408) or "Batch Completed" in description or "MaxBytes" in description:
                return
        # 409 for a consumer that is gone, a leader that changed, a server that shuts down; 503 for nobody there;
        # 400 for a request that the server does not take.
        self.restart(now_s, f"{status} {description}".strip())
        self._not_before_s = now_s + self._back_off_s
        self._back_off_s = min(BACK_OFF_MOST_S, 2 * self._back_off_s)

    def restart(self, now_s: float, trouble: str = "") -> None:
        """Whatever was asked for is in doubt: begin again."""
        self.generation += 1
        self.outstanding = 0
        self.trouble = trouble
        self._heard_s = self._not_before_s = now_s
