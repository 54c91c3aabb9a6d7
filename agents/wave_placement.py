"""The children of one task, placed by the node that controls it (WAVE). Pure: messages in, messages out.

One child at a time, each with everything below it, so that whoever chooses knows what was promised before. A node that
falls silent loses what it was given: its task is placed again, without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from agents.wave_choice import Choice, NoNodeError, Setting, choose
from agents.wave_messages import DONE, FAILED, WORKING, Answer, Ask, Decision, Message, Take, Told
from agents.wave_statistics import LocalStatistics
from runtime import wave
from runtime.app import App
from runtime.graph import TaskGraph
from runtime.network import HOME

TAKE_AGAIN_S = 0.5
LEASE_S = 3.0
"""Who has not said for so long how its part stands is not there; what nobody has asked about for so long is over."""


class Send(NamedTuple):
    """A message to another node, or to this one."""

    node: str
    message: Message


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a node sees: itself, and who else is there."""

    node: str
    statistics: Callable[[str, str], LocalStatistics | None]
    """By application and digest; None while that version is not known here."""
    alive: Callable[[], tuple[str, ...]]
    """The nodes that are there, home first."""
    new_id: Callable[[], str]


@dataclass(slots=True)
class _Given:
    """A child that was given to a node, which places everything below it."""

    take: Take
    node: str
    why: str
    heard_s: float
    again_s: float
    doing: str = ""


class Placement:
    """What was taken over with one `Take`, until `told` says that it has ended."""

    def __init__(self, take: Take, giver: str, around: Surroundings, now_s: float) -> None:
        self.giver = giver
        self.told = Told(placement=take.placement, state=WORKING)
        self.is_reported = False
        """Whether the giver was told that it has ended; if that is lost, it asks."""
        self.asked_s = now_s
        """When it was last asked about."""
        self._take = take
        self._around = around
        self._placed = dict(take.placed)
        self._left_out = set(take.left_out)
        self._decisions: list[Decision] = []
        self._refused: dict[str, str] = {}
        """Nodes that could not place what is below the present child, and why."""
        self._choice: Choice | None = None
        self._choices = 0
        self._given: _Given | None = None
        self._children: tuple[str, ...] | None = None
        """What to place, in order."""

    @property
    def has_ended(self) -> bool:
        return self.told.state != WORKING

    @property
    def given(self) -> str | None:
        """The placement that is under way elsewhere."""
        return None if self._given is None else self._given.take.placement

    def answered(self, node: str, answer: Answer, now_s: float) -> None:
        """A node says what it would take."""
        if self._choice is not None and self._choice.number == answer.number:
            self._choice.heard(node, answer, now_s)

    def absent(self, node: str) -> None:
        """Nobody is there."""
        if self._choice is not None:
            self._choice.absent(node)
        if self._given is not None and self._given.node == node:
            self._lose(node)

    def heard(self, node: str, told: Told, now_s: float) -> None:
        """How the part that a node was given stands."""
        given = self._given
        if given is None or given.node != node or given.take.placement != told.placement:
            return
        given.heard_s, given.doing = now_s, told.why
        if told.state == WORKING:
            return
        self._given = None
        self._left_out |= set(told.left_out)
        if told.state == DONE:
            decided = ((given.take.task, node, given.why), *told.decisions)
            self._decisions += decided
            self._placed |= {task: where for task, where, _ in decided}
            self._refused.clear()
        elif told.is_hopeless:
            self._end(FAILED, told.why, is_hopeless=True)
        else:
            self._refused[node] = told.why

    def step(self, now_s: float) -> list[Send]:
        """Do what can be done now."""
        local = self._around.statistics(self._take.app, self._take.digest)
        if local is None:
            if not self.has_ended:
                self._end(FAILED, f"{self._around.node} does not know this version of {self._take.app}")
            return []
        sends: list[Send] = []
        while not self.has_ended:
            if self._given is not None:
                if now_s - self._given.heard_s < LEASE_S:
                    sends += self._remind(self._given, now_s)
                    break
                self._lose(self._given.node)
            self._children = self._children or self._controlled(local.app.graph)
            child = next((task for task in self._children if task not in self._placed), None)
            if child is None:
                self._end(DONE)
                break
            choice = self._choice = self._choice or self._open(local.app, child, now_s)
            sends += [Send(name, self._ask(choice, name)) for name in choice.due(now_s)]
            if not choice.is_settled(now_s):
                break
            self._choice = None
            self._left_out |= choice.left_out()
            self._decide(choice, local, now_s)
        self._say_what_is_done()
        return sends

    def _controlled(self, graph: TaskGraph) -> tuple[str, ...]:
        controlled = wave.controllers({task: graph.parents(task) for task in graph.tasks})
        children = wave.children_of(controlled, graph.order).get(self._take.task, ())
        if self._take.task != HOME:
            return children
        return (*children, *(task for task in graph.order if task not in controlled))

    def _open(self, app: App, child: str, now_s: float) -> Choice:
        graph, me = app.graph, self._around.node
        where = {**self._placed, HOME: HOME}
        parents = graph.parents(child)
        pin = graph.tasks[child].pin
        candidates = [
            name
            for name in self._around.alive()
            if app.allows(name) and name not in self._left_out | self._refused.keys() and pin in (None, name)
        ]
        setting = Setting(
            task=child,
            here=me if parents else None,
            candidates=tuple(candidates),
            sources={parent: where[parent] for parent in parents if parent in where},
            targets={end: where[end] for end in graph.tasks[child].children if end in where},
            left_out=frozenset(self._left_out),
        )
        self._choices += 1
        return Choice(setting, self._choices, me, now_s)

    def _ask(self, choice: Choice, node: str) -> Ask:
        promised = tuple(sorted(task for task, where in self._placed.items() if where == node))
        take = self._take
        return Ask(
            placement=take.placement,
            number=choice.number,
            app=take.app,
            digest=take.digest,
            task=choice.setting.task,
            promised=promised,
        )

    def _decide(self, choice: Choice, local: LocalStatistics, now_s: float) -> None:
        try:
            node, why = choose(choice, local)
        except NoNodeError as error:
            # Where others refused, it lies in the links below: another place for what is above may help.
            why = next(reversed(self._refused.values()), str(error))
            self._end(FAILED, why, is_hopeless=error.is_hopeless and not self._refused)
            return
        task = choice.setting.task
        take = replace(
            self._take,
            placement=self._around.new_id(),
            task=task,
            placed={**self._placed, task: node},
            left_out=tuple(sorted(self._left_out)),
        )
        self._given = _Given(take, node, why, heard_s=now_s, again_s=now_s)

    def _remind(self, given: _Given, now_s: float) -> list[Send]:
        if now_s < given.again_s:
            return []
        given.again_s = now_s + TAKE_AGAIN_S
        return [Send(given.node, given.take)]

    def _lose(self, node: str) -> None:
        self._given = None
        self._left_out.add(node)

    def _say_what_is_done(self) -> None:
        if self.has_ended:
            return
        doing = ""
        if self._given is not None:
            doing = self._given.doing or f"{self._given.node} places what is below {self._given.take.task}"
        elif self._choice is not None:
            doing = f"{self._choice.setting.task}: waiting for {self._choice.waits_for()}"
        self.told = replace(self.told, why=doing)

    def _end(self, state: Literal["done", "failed"], why: str = "", *, is_hopeless: bool = False) -> None:
        self._choice = self._given = None
        self.told = Told(
            placement=self._take.placement,
            state=state,
            decisions=tuple(self._decisions) if state == DONE else (),
            left_out=tuple(sorted(self._left_out)),
            why=why,
            is_hopeless=is_hopeless,
        )
