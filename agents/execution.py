"""The Execution Profiler of one node: every application, once per version of its code.

Follows what applications there are, measures their tasks on their sample input, publishes a profile per task
or says why there is none, and repeats both for as long as the application is there, because profiles and
beats have a lifetime on the bus.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from agents import slots
from agents.bundles import Bundles
from agents.profile_run import Answer, ProfileRun
from runtime import codec, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.errors import JupiterError, TransportError
from runtime.network import HOME
from runtime.profiles import ExecutionProfile
from runtime.records import GONE, Beat

logger = logging.getLogger(__name__)

FAILED = "failed"
REPEAT_FAILURES_S = 5.0
REPEAT_PROFILES_S = 300.0
RETRY_S = 5.0


@dataclass(slots=True)
class _Known:
    """What was found out about one version of an application."""

    digest: str
    profiles: dict[str, ExecutionProfile] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    is_complete: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """By task: its profile, or why it has none. Complete: nothing more is going to be found."""

    profiles: Mapping[str, ExecutionProfile]
    failures: Mapping[str, str]
    is_complete: bool


class ExecutionProfiler:
    """Feed it applications, then `run` it."""

    def __init__(self, bus: Bus, bundles: Bundles, how: ProfileRun) -> None:
        self._bus = bus
        self._bundles = bundles
        self._how = how
        self._apps: dict[str, App] = {}
        self._runs: dict[str, str] = {}
        self._given: set[str] = set()
        self._known: dict[str, _Known] = {}
        self._changed = asyncio.Event()
        self._at_work: tuple[str, str] | None = None
        self._job: asyncio.Task[None] | None = None

    def heard(self, name: str, app: App | None) -> None:
        """An application that should run; None when it is no more."""
        if app is None:
            self._apps.pop(name, None)
            self._runs.pop(name, None)
            self._known.pop(name, None)
        else:
            self._apps[name] = app
        self._look_again()

    def runs(self, name: str, run: str) -> None:
        """Which run of its ingress an application has. Another than before: it was deleted and submitted again while
        we did not hear of it, and what was published of it has gone from the bus."""
        if self._runs.setdefault(name, run) != run:
            self._runs[name] = run
            self._known.pop(name, None)
            self._changed.set()

    def given(self, name: str, is_given: bool) -> None:
        """Whether somebody put the application's mapping there ready-made: then nothing is measured."""
        (self._given.add if is_given else self._given.discard)(name)
        self._look_again()

    def remember(self, profiles: Iterable[ExecutionProfile]) -> None:
        """What an earlier agent of this node measured, so that its successor need not disturb the pipeline."""
        for profile in profiles:
            known = self._known.setdefault(profile.app, _Known(profile.digest))
            if known.digest == profile.digest:
                known.profiles[profile.task] = profile

    def found(self, app: App) -> Found:
        """What is known of this version by now."""
        known = self._known.get(app.name)
        if known is None or known.digest != app.digest:
            return Found({}, {}, is_complete=False)
        is_complete = known.is_complete or app.graph.tasks.keys() <= known.profiles.keys()
        return Found(dict(known.profiles), dict(known.failures), is_complete=is_complete)

    async def run(self) -> None:
        """Measure and publish until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repeat(), name="repeat profiles")
            while True:
                self._changed.clear()
                app = self._next()
                if app is None:
                    await self._changed.wait()
                    continue
                self._at_work = (app.name, app.digest)
                self._job = tasks.create_task(self._profile(app), name=f"profile {app.name}")
                await asyncio.wait({self._job})
                self._at_work = self._job = None

    def _next(self) -> App | None:
        """The first application with something to find out."""
        return next((app for _, app in sorted(self._apps.items()) if self._is_wanted(app)), None)

    def _is_wanted(self, app: App) -> bool:
        names = {*app.node_map, *app.node_map.values(), HOME}
        if app.name in self._given or (app.node_map and self._how.node not in names):
            return False
        known = self._known.get(app.name)
        if known is None or known.digest != app.digest:
            return True
        return not known.is_complete and not app.graph.tasks.keys() <= known.profiles.keys()

    def _look_again(self) -> None:
        """End a measurement that nobody wants any more."""
        self._changed.set()
        if self._at_work is None or self._job is None:
            return
        name, digest = self._at_work
        app = self._apps.get(name)
        if app is None or app.digest != digest or name in self._given:
            self._job.cancel()

    async def _profile(self, app: App) -> None:
        before = self._known.get(app.name)
        known = self._known[app.name] = _Known(app.digest)
        try:
            folder = (await self._bundles.get(app.digest)).folder
            async with slots.turn(self._bundles.cache / "turns", self._how.cores):
                await self._how.measure(app, folder, partial(self._take, app, known))
            known.is_complete = True
            for task in before.failures.keys() - known.failures.keys() if before else ():
                self._beat(app, task, GONE, "")
        except (JupiterError, OSError) as error:
            logger.warning("application %s is not measured on node %s: %s", app.name, self._how.node, error)
            await asyncio.sleep(RETRY_S)
        except Exception:
            # Whatever it is, it lies in this application: the others go on.
            known.is_complete = True
            logger.exception("application %s cannot be measured on node %s", app.name, self._how.node)

    async def _take(self, app: App, known: _Known, answer: Answer) -> None:
        if answer.error:
            known.failures[answer.task] = answer.error
            # Told by the beat, to whoever waits for the application: once, and not by every node.
            logger.info("application %s, task '%s', node %s: %s", app.name, answer.task, self._how.node, answer.error)
            self._beat(app, answer.task, FAILED, answer.error)
            return
        numbers = answer.numbers
        if failed_items := numbers.pop("failed_items"):
            logger.warning("application %s, task '%s': failed on %d sample items", app.name, answer.task, failed_items)
        profile = ExecutionProfile(app=app.name, task=answer.task, node=self._how.node, digest=app.digest, **numbers)
        known.profiles[answer.task] = profile
        await self._publish(profile)

    async def _publish(self, profile: ExecutionProfile) -> None:
        subject = subjects.execution_profile(profile.app, profile.task, profile.node)
        await self._bus.put_record(subject, codec.encode_record(profile.to_record()))

    def _beat(self, app: App, task: str, state: str, message: str) -> None:
        incarnation = f"profiler-{subjects.node_token(self._how.node)}"
        beat = Beat(
            app=app.name,
            task=task,
            incarnation=incarnation,
            node=self._how.node,
            state=state,
            digest=app.digest,
            message=message,
        )
        subject = subjects.status(app.name, task, incarnation)
        self._bus.publish(subject, codec.encode_record(beat.to_record()))

    async def _repeat(self) -> None:
        """Failures often, because beats live shortly; profiles now and then."""
        rounds_between = round(REPEAT_PROFILES_S / REPEAT_FAILURES_S)
        rounds = 0
        while True:
            await asyncio.sleep(REPEAT_FAILURES_S)
            rounds += 1
            try:
                for name, app in list(self._apps.items()):
                    known = self._known.get(name)
                    if known is None or known.digest != app.digest:
                        continue
                    for task, message in list(known.failures.items()):
                        self._beat(app, task, FAILED, message)
                    if rounds % rounds_between == 0:
                        for profile in list(known.profiles.values()):
                            await self._publish(profile)
            except TransportError as error:
                logger.warning("profiles of node %s are not repeated: %s", self._how.node, error)
