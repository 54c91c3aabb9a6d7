"""Who may send bulk to or from this node now: one transfer at a time, so that probes measure links and not one
another. Pure; a lease ends by itself, because its holder may have died."""

from __future__ import annotations


class Lease:
    """A try-lock by name that expires."""

    def __init__(self) -> None:
        self._holder = ""
        self._until_s = 0.0

    def take(self, holder: str, duration_s: float, now_s: float) -> bool:
        """Take or renew it; False while somebody else holds it."""
        if self._holder not in ("", holder) and now_s < self._until_s:
            return False
        self._holder, self._until_s = holder, now_s + duration_s
        return True

    def release(self, holder: str) -> None:
        """Give it back; nothing happens when somebody else has it by now."""
        if self._holder == holder:
            self._holder = ""
