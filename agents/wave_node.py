"""One node's part in placing tasks without a centre (WAVE): answers, and the placements it was given. Pure.

Events in, messages out; the clock is given. Whatever is lost is said again, and what nobody asks about any more is
forgotten, so that a node holds nothing that matters: when it dies, whoever gave it a task gives it to another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from agents.wave_messages import WAITING, Answer, Ask, Message, Take, Told
from agents.wave_placement import LEASE_S, Placement, Send, Surroundings
from runtime.app import App
from runtime.network import HOME

MOST_PLACEMENTS = 10_000
"""At a time: more than any graph has tasks, and a bound on what strangers can have us hold."""
NOBODY = ""
"""Gives what begins at home."""


class WaveNode:
    """Feed it messages, absences and the time; send what it returns."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._placements: dict[str, Placement] = {}

    @property
    def is_busy(self) -> bool:
        """Whether time matters to it."""
        return bool(self._placements)

    # ---- home's own: the placement of a whole application

    def begin(self, placement: str, app: App, now_s: float) -> list[Send]:
        """Place everything, with home as the root of all."""
        take = Take(placement=placement, app=app.name, digest=app.digest, task=HOME)
        self._placements[placement] = Placement(take, NOBODY, self._around, now_s)
        return self._passed_on(self._step(placement, now_s), now_s)

    def look(self, placement: str, now_s: float) -> Told:
        """How it stands; looking keeps it alive."""
        found = self._placements[placement]
        found.asked_s = now_s
        return found.told

    def end(self, placement: str) -> None:
        """Nobody wants it any more; what it gave to others ends by itself."""
        self._placements.pop(placement, None)

    # ---- events

    def heard(self, sender: str, message: Message, now_s: float) -> list[Send]:
        """A message from a node."""
        return self._passed_on(self._take(sender, message, now_s), now_s)

    def absent(self, node: str, now_s: float) -> list[Send]:
        """The bus says that nobody is there."""
        for placement in self._placements.values():
            placement.absent(node)
        return self.tick(now_s)

    def tick(self, now_s: float) -> list[Send]:
        """Time has passed."""
        for name in [name for name, each in self._placements.items() if now_s - each.asked_s > LEASE_S]:
            del self._placements[name]
        sends = [send for name in list(self._placements) for send in self._step(name, now_s)]
        return self._passed_on(sends, now_s)

    # ---- inside

    def _passed_on(self, sends: Iterable[Send], now_s: float) -> list[Send]:
        """What others get; what this node says to itself is heard at once."""
        waiting, found = deque(sends), list[Send]()
        while waiting:
            send = waiting.popleft()
            if send.node == self._around.node:
                waiting.extend(self._take(send.node, send.message, now_s))
            else:
                found.append(send)
        return found

    def _take(self, sender: str, message: Message, now_s: float) -> list[Send]:
        match message:
            case Ask():
                return [Send(sender, self._answer(message))]
            case Take():
                return self._begin_for(sender, message, now_s)
            case Answer():
                name = message.placement
                if name in self._placements:
                    self._placements[name].answered(sender, message, now_s)
            case Told():
                name = next((name for name, each in self._placements.items() if each.given == message.placement), "")
                if name:
                    self._placements[name].heard(sender, message, now_s)
        return self._step(name, now_s) if name in self._placements else []

    def _answer(self, ask: Ask) -> Answer:
        local = self._around.statistics(ask.app, ask.digest)
        if local is None or ask.task not in local.app.graph.tasks:
            why = "has not heard of this version"
            return Answer(placement=ask.placement, number=ask.number, state=WAITING, why=why)
        return local.answer(ask)

    def _begin_for(self, giver: str, take: Take, now_s: float) -> list[Send]:
        """Whoever gives a task asks after it by giving it again."""
        placement = self._placements.get(take.placement)
        sends: list[Send] = []
        if placement is None:
            if len(self._placements) >= MOST_PLACEMENTS:
                return []
            placement = self._placements[take.placement] = Placement(take, giver, self._around, now_s)
            sends = placement.step(now_s)
        elif placement.giver != giver:
            return []
        placement.asked_s = now_s
        placement.is_reported = placement.has_ended
        return [*sends, Send(giver, placement.told)]

    def _step(self, name: str, now_s: float) -> list[Send]:
        """Let a placement go on; who gave it hears at once when that ends it."""
        placement = self._placements[name]
        sends = placement.step(now_s)
        if placement.has_ended and not placement.is_reported and placement.giver != NOBODY:
            placement.is_reported = True
            sends.append(Send(placement.giver, placement.told))
        return sends
