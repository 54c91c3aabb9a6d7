"""Who gave a sign of life lately, as one listener knows it. Pure; the clock is given.

A listener that is cut off hears nobody, and that tells of itself, not of the others. So silence counts only while
somebody is heard; after a pause in which nobody was, everybody's time begins anew.
"""

from __future__ import annotations

import math


class Hearing:
    """Everybody who was heard and has not been forgotten."""

    def __init__(self, *, lease_s: float, pause_s: float) -> None:
        """Silent for `lease_s` means gone. Nobody heard for `pause_s` means that we hear nothing."""
        self._lease_s = lease_s
        self._pause_s = pause_s
        self._heard_s: dict[str, float] = {}
        self._latest_s = -math.inf

    def hear(self, name: str, now_s: float) -> None:
        """A sign of life."""
        if now_s - self._latest_s > self._pause_s:
            self._heard_s = dict.fromkeys(self._heard_s, now_s)
        self._latest_s = now_s
        self._heard_s[name] = now_s

    def forget(self, name: str) -> None:
        """It has left, or is of no interest any more."""
        self._heard_s.pop(name, None)

    def silent(self, now_s: float) -> frozenset[str]:
        """Who counts as gone."""
        if now_s - self._latest_s > self._pause_s:
            return frozenset()
        return frozenset(name for name, heard_s in self._heard_s.items() if now_s - heard_s > self._lease_s)
