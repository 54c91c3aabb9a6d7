"""The nodes that give signs of life, as one agent hears them. Pure; the clock is given."""

from __future__ import annotations

from runtime.hearing import Hearing
from runtime.network import home_first
from runtime.profiles import NODE_LEASE_S, NodeProfile

PAUSE_S = NODE_LEASE_S / 2
"""When no node at all is heard for this long it is we who are cut off."""


class Neighbours:
    """Every node that was heard lately, and this one."""

    def __init__(self, me: str) -> None:
        self._me = me
        self._hearing = Hearing(lease_s=NODE_LEASE_S, pause_s=PAUSE_S)
        self._agents: dict[str, str] = {}
        self._joined_s: dict[str, float] = {}

    def heard(self, profile: NodeProfile, now_s: float) -> None:
        """A node's sign of life, or its leave."""
        name = profile.node
        if profile.gone:
            self._hearing.forget(name)
            self._agents.pop(name, None)
            return
        if self._agents.get(name) != profile.agent or name in self._hearing.silent(now_s):
            self._agents[name], self._joined_s[name] = profile.agent, now_s
        self._hearing.hear(name, now_s)

    def alive(self, now_s: float) -> tuple[str, ...]:
        """Who is there, home first."""
        return home_first({self._me, *self._agents} - (self._hearing.silent(now_s) - {self._me}))

    def joined_since(self, since_s: float, now_s: float) -> tuple[str, ...]:
        """The others that came after a moment."""
        return tuple(name for name in self.alive(now_s) if name != self._me and self._joined_s[name] >= since_s)
