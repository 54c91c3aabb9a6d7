"""What the dispatcher has to say of each application: in its log when that changes, and in beats for those who look."""

from __future__ import annotations

import logging

from runtime import codec, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.network import HOME
from runtime.records import READY, Beat
from runtime.refusals import refused

logger = logging.getLogger(__name__)

REPEAT_S = 3.0
"""A beat that says nothing new; it must come more often than the records of beats live."""


class Words:
    """By application."""

    def __init__(self, bus: Bus, incarnation: str) -> None:
        self._bus = bus
        self._incarnation = incarnation
        self._said: dict[str, str] = {}
        self._refusals: dict[str, str] = {}
        self._beaten: dict[str, tuple[str, float]] = {}
        """The last beat's message, and when it was."""
        self._number = 0

    def say(self, name: str, message: str, level: int = logging.INFO) -> None:
        """What is waited for, or fails; empty when all is in place."""
        if message != self._said.get(name):
            self._said[name] = message
            logger.log(level, "%s: %s", name, message or "in place")

    def refuse(self, name: str, reason: str) -> None:
        """Something was put there that is not obeyed."""
        self._refusals[name] = reason

    def accept(self, name: str) -> None:
        """It was put right."""
        self._refusals.pop(name, None)

    def beat(self, app: App, now_s: float) -> None:
        """After every look at an application."""
        message = self._refusals.get(app.name) or self._said.get(app.name, "")
        before, beaten_s = self._beaten.get(app.name, (None, 0.0))
        if message == before and now_s - beaten_s < REPEAT_S:
            return
        self._beaten[app.name] = (message, now_s)
        self._number += 1
        beat = Beat(
            app=app.name,
            task=subjects.DISPATCHER,
            incarnation=self._incarnation,
            node=HOME,
            state="waiting" if message else READY,
            number=self._number,
            digest=app.digest,
            connections=self._bus.connections,
            counts={"refused": refused()},
            message=message,
        )
        subject = subjects.status(app.name, subjects.DISPATCHER, self._incarnation)
        self._bus.publish(subject, codec.encode_record(beat.to_record()))

    def forget(self, name: str) -> None:
        """The application is gone."""
        for known in (self._said, self._refusals, self._beaten):
            known.pop(name, None)
