"""One task to place (WAVE): whom its controller asks, until when it waits for answers, and what it chooses. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from agents.wave_messages import ABLE, WAITING, Answer
from agents.wave_statistics import PATIENCE_S, LocalStatistics
from runtime import wave
from runtime.units import seconds
from runtime.wave import Offer

ASK_AGAIN_S = 0.5
SILENCE_S = 3.0
"""Who has not answered for so long is not there."""
REASONS = 3
"""How many nodes a refusal speaks of."""


class NoNodeError(Exception):
    """No node can take the task; `is_hopeless` when that lies not in where others were placed."""

    def __init__(self, why: str, *, is_hopeless: bool) -> None:
        super().__init__(why)
        self.is_hopeless = is_hopeless


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where the task stands among what was placed before."""

    task: str
    here: str | None
    """The controller's node; None for a task that no other feeds."""
    candidates: tuple[str, ...]
    """Nodes that may take it, home first."""
    sources: Mapping[str, str]
    """Its parents that are placed, and where."""
    targets: Mapping[str, str]
    """Its children that are placed, and where; `home` too, if it gives results."""
    left_out: frozenset[str] = frozenset()
    """Nodes that are not asked any more."""


class Choice:
    """The answers of the nodes that were asked."""

    def __init__(self, setting: Setting, number: int, me: str, now_s: float) -> None:
        self.setting = setting
        self.number = number
        found = dict.fromkeys((me, *setting.candidates, *sorted(setting.sources.values())))
        self.asked = tuple(name for name in found if name not in setting.left_out)
        self.answers: dict[str, Answer] = {}
        """The last of each; one that is waiting is asked again."""
        self._absent: set[str] = set()
        self._heard_s = dict.fromkeys(self.asked, now_s)
        self._offered_s: float | None = None
        """When the first could take it."""
        self._ask_s = -math.inf

    def due(self, now_s: float) -> tuple[str, ...]:
        """Whom to ask now."""
        if now_s < self._ask_s:
            return ()
        self._ask_s = now_s + ASK_AGAIN_S
        return tuple(name for name in self.asked if self._is_open(name, now_s))

    def heard(self, node: str, answer: Answer, now_s: float) -> None:
        """An answer to this choice."""
        before = self.answers.get(node)
        if node in self._heard_s and (before is None or before.state == WAITING):
            self.answers[node] = answer
            self._heard_s[node] = now_s
            if answer.state == ABLE and self._offered_s is None:
                self._offered_s = now_s

    def absent(self, node: str) -> None:
        """Nobody is there to answer."""
        self._absent.add(node)

    def is_settled(self, now_s: float) -> bool:
        """Whether nobody need be waited for any more."""
        return not any(self._is_open(name, now_s) for name in self.asked)

    def left_out(self) -> set[str]:
        """Once settled: who gave no final answer."""
        return {name for name in self.asked if not self._is_final(name)}

    def waits_for(self) -> str:
        """What keeps it from being settled, in a few words."""
        open_ones = [name for name in self.asked if not self._is_final(name) and name not in self._absent]
        said = [f"{name} ({self.answers[name].why if name in self.answers else 'no answer yet'})" for name in open_ones]
        return ", ".join(said[:REASONS]) + (f" and {len(said) - REASONS} more" if len(said) > REASONS else "")

    def _is_final(self, name: str) -> bool:
        return name in self.answers and self.answers[name].state != WAITING

    def _is_open(self, name: str, now_s: float) -> bool:
        if name in self._absent or self._is_final(name) or now_s - self._heard_s[name] >= SILENCE_S:
            return False
        # As long as nobody can take it there is nothing better to do than to wait for those who measure.
        return self._offered_s is None or now_s - self._offered_s < PATIENCE_S


def choose(choice: Choice, local: LocalStatistics) -> tuple[str, str]:
    """The node that takes the task, and why; raises NoNodeError."""
    setting, answers = choice.setting, choice.answers
    for task, node in sorted(setting.sources.items()):
        if node not in answers and node != local.node:
            raise NoNodeError(f"{node}, where {task} was placed, does not answer any more", is_hopeless=True)
    able = [name for name in setting.candidates if name in answers and answers[name].state == ABLE]
    if not able:
        raise NoNodeError(_refusals(choice, local), is_hopeless=True)
    usable = [name for name in able if _missing_link(choice, local, name) is None]
    if not usable:
        links = "; ".join(str(_missing_link(choice, local, name)) for name in able[:REASONS])
        raise NoNodeError(
            f"no node that can run task {setting.task} has the links it needs: {links}", is_hopeless=False
        )
    if wave.NAMES[local.app.mapper] == wave.RANDOM:
        drawn = wave.drawn(local.app.mapper_options.seed, setting.task, able)
        node = next(name for name in drawn if name in usable)
        return node, f"{setting.task} on {node}, drawn by {local.node}"
    weights = local.app.mapper_options.wave
    prices = wave.prices(weights, *_offers(choice, local, usable), setting.here)
    shown = "{:.3g}".format if weights.legacy else seconds
    said = [f"{name} at {shown(price)}" for name, price in prices.items()]
    return next(iter(prices)), f"{setting.task} on {' before '.join(said[:2])}, by {local.node}"


def _offers(choice: Choice, local: LocalStatistics, nodes: list[str]) -> tuple[list[Offer], dict[str, float]]:
    setting = choice.setting
    here = [task for task, node in setting.sources.items() if node == setting.here]
    offers, delays_s = [], {}
    for name in nodes:
        said = choice.answers[name]
        offers.append(
            Offer(
                node=name,
                exec_s=said.exec_s,
                busy_cores_ratio=said.busy_cores_ratio,
                memory_ratio=said.memory_ratio,
                promised_s=said.promised_s,
            )
        )
        is_sent = setting.here is not None
        delays_s[name] = local.delay_s(local.sent_bytes(here, setting.task), name) if is_sent else 0.0
    return offers, delays_s


def _missing_link(choice: Choice, local: LocalStatistics, node: str) -> str | None:
    """The first link that the task would need on that node and that is not there."""
    setting = choice.setting
    reached = {local.node: local.reaches} | {name: answer.reaches for name, answer in choice.answers.items()}
    needed = {(source, node) for source in setting.sources.values()} | {(node, end) for end in setting.targets.values()}
    for source, target in sorted(needed):
        if source != target and target not in reached.get(source, ()):
            return f"{source}>{target}"
    return None


def _refusals(choice: Choice, local: LocalStatistics) -> str:
    setting = choice.setting
    pin = local.app.graph.tasks[setting.task].pin
    if not setting.candidates:
        where = f"is pinned to {pin}, which is not there" if pin is not None else "has no node left that it may run on"
        return f"task {setting.task} {where}"
    said = [
        f"on {name} it {choice.answers[name].why if name in choice.answers else 'was not asked: nobody answers there'}"
        for name in setting.candidates[:REASONS]
    ]
    more = len(setting.candidates) - REASONS
    return f"task {setting.task} can run on no node: {'; '.join(said)}" + (f"; and {more} more" if more > 0 else "")
