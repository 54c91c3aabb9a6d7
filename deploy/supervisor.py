"""Keeps the components of a local Jupiter running: one that dies is started again, with back-off.

Every start gets an incarnation of its own. Whoever lives behind a component is told at once that its incarnation
is gone, by the callback, so that nobody waits for missing beats.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import subprocess
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from agents import codepath
from runtime import children
from runtime.errors import JupiterError, UsageError
from runtime.service import EXIT_USAGE, Service

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
HEALTHY_S = 10.0
"""Who lived this long starts its back-off from the beginning."""
STILLBORN_S = 3.0
STILLBORN_TRIES = 5
"""So many lives in a row shorter than that: it cannot work, and more tries only hide why."""
LAST_WORDS = 5
DRAIN_OUTPUT_S = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A process to keep running. `arguments` follow `python -m`."""

    name: str
    kind: str
    """The first part of its incarnations."""
    node: str
    arguments: tuple[str, ...]


@dataclass(slots=True)
class _Life:
    """One process of a component, and what is known of the ones before."""

    incarnation: str = ""
    process: asyncio.subprocess.Process | None = None
    stillborn: int = 0
    pause_s: float = 0.0
    last_words: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_WORDS))


class Supervisor:
    """`keep` components, then `stop`."""

    def __init__(
        self,
        service: Service,
        on_gone: Callable[[Component, str], Awaitable[None]],
        say: Callable[[str], None],
    ) -> None:
        """`say` takes what the components print, line by line."""
        self._service = service
        self._on_gone = on_gone
        self._say = say
        self._lives: dict[str, _Life] = {}
        self._stopping = asyncio.Event()
        self.restarts = 0

    def keep(self, component: Component) -> None:
        """Start it, and start it again whenever it ends; the service fails if that is hopeless."""
        self._service.start(component.name, self.run(component), may_finish=True)

    def pids(self) -> dict[str, int]:
        """The processes that run now, by component."""
        found = {name: life.process for name, life in self._lives.items()}
        return {name: process.pid for name, process in found.items() if process and process.returncode is None}

    async def stop(self, grace_s: float) -> None:
        """End all of them, at the same time; who does not go in time is killed."""
        self._stopping.set()
        running = [life.process for life in self._lives.values() if life.process is not None]
        await asyncio.gather(*(children.stop(process, grace_s) for process in running))

    async def run(self, component: Component) -> None:
        """Until stopped; raises when another start would be hopeless."""
        life = self._lives[component.name] = _Life()
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            started_s = loop.time()
            status = await self._live(component, life)
            if self._stopping.is_set():
                return
            await self._on_gone(component, life.incarnation)
            lived_s = loop.time() - started_s
            self._judge(component, life, status, lived_s)
            self.restarts += 1
            logger.info("%s ended with status %d after %.1f s; starting it again", component.name, status, lived_s)
            await asyncio.sleep(life.pause_s)

    async def _live(self, component: Component, life: _Life) -> int:
        life.incarnation = f"{component.kind}-{secrets.token_hex(4)}"
        process = await children.spawn(
            [sys.executable, "-P", "-m", *component.arguments, "--incarnation", life.incarnation],
            env=codepath.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        life.process = process
        if self._stopping.is_set():
            children.kill(process)
        listening = asyncio.create_task(self._listen(process, life), name=f"output of {component.name}")
        try:
            status = await process.wait()
            # What it started itself holds its output open for a moment longer.
            await asyncio.wait([listening], timeout=DRAIN_OUTPUT_S)
            return status
        finally:
            listening.cancel()
            children.kill(process)

    async def _listen(self, process: asyncio.subprocess.Process, life: _Life) -> None:
        assert process.stdout is not None
        rest = b""
        while chunk := await process.stdout.read(64 << 10):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                text = line.decode("utf-8", "replace")
                life.last_words.append(text)
                self._say(text)
        if rest:
            self._say(rest.decode("utf-8", "replace"))

    def _judge(self, component: Component, life: _Life, status: int, lived_s: float) -> None:
        """Set the pause before the next life; raise when there should be none."""
        words = life.last_words[-1] if life.last_words else "it said nothing"
        if status == EXIT_USAGE:
            raise UsageError(f"it cannot run as it was started: {words}")
        life.stillborn = life.stillborn + 1 if lived_s < STILLBORN_S else 0
        if life.stillborn >= STILLBORN_TRIES:
            raise JupiterError(f"it ended {life.stillborn} times in a row, at last with status {status}: {words}")
        if lived_s > HEALTHY_S:
            life.pause_s = 0.0
        else:
            life.pause_s = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, 2 * life.pause_s))
