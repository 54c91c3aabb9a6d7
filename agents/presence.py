"""The node's profile every few seconds: what it has, how busy it is, and that it lives."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from agents.resources import Resources
from runtime import codec, subjects
from runtime.bus import Bus
from runtime.errors import TransportError
from runtime.refusals import refused

logger = logging.getLogger(__name__)

PERIOD_S = 2.0


class Presence:
    """Says that `node` is there, and that it leaves."""

    def __init__(self, bus: Bus, resources: Resources, node: str, agent: str) -> None:
        self._bus = bus
        self._resources = resources
        self._node = node
        self._agent = agent
        self._has_left = False

    async def run(self) -> None:
        """Publish until cancelled; a bus that is away is waited for."""
        loop = asyncio.get_running_loop()
        next_s = loop.time()
        while not self._has_left:
            try:
                await self._say(gone=False)
            except TransportError as error:
                logger.warning("node %s is not announced: %s", self._node, error)
            next_s = max(next_s + PERIOD_S, loop.time())
            await asyncio.sleep(next_s - loop.time())

    async def leave(self) -> None:
        """The last word: nobody need wait for the next sign of life."""
        self._has_left = True
        try:
            await self._say(gone=True)
        except TransportError as error:
            logger.warning("nobody heard that node %s leaves: %s", self._node, error)

    async def _say(self, *, gone: bool) -> None:
        profile = replace(self._resources.sample(self._node, self._agent, gone=gone), refused=refused())
        payload = codec.encode_record(profile.to_record())
        await self._bus.put_record(subjects.node_profile(self._node), payload, deadline_s=PERIOD_S)
