"""Applications' code on this machine: fetched once by digest, shared by all agents of the machine."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from pathlib import Path

from runtime import bundle, subjects
from runtime.bundle import UnpackedBundle
from runtime.bus import Bus
from runtime.errors import TransportError


class Bundles:
    """The cache of one agent."""

    def __init__(self, bus: Bus, cache: Path) -> None:
        self._bus = bus
        self.cache = cache
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get(self, digest: str) -> UnpackedBundle:
        """The unpacked bundle; raises TransportError when it cannot be fetched, BundleError when it is none."""
        async with self._locks[digest]:  # many workers of one application start at once
            if found := bundle.cached(digest, self.cache):
                return found
            payload = await self._bus.get_object(subjects.BUNDLES, digest)
            if payload is None:
                raise TransportError(f"the bundle {digest[:12]} is not on the bus: submit the application again")
            return await asyncio.to_thread(bundle.unpack, payload, digest, self.cache)
