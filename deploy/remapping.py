"""`jupiter remap`: take the mapping away, and wait until the mapper has put another.

Without a mapping the dispatcher leaves everything where it is, so data keeps flowing meanwhile.
"""

from __future__ import annotations

import asyncio

from deploy.submit import find_app
from deploy.watch import Watch
from runtime import subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.errors import JupiterError
from runtime.wave import is_placed_by_agents


async def remap(bus: Bus, name: str, timeout_s: float) -> App:
    """The application, once it has a newer mapping."""
    app = await find_app(bus, name)
    async with Watch(bus, name) as watch:
        picture = watch.picture
        if not any(beat.task == subjects.MAPPER for beat in picture.beats.values()):
            who = "`jupiter agent --node home`" if is_placed_by_agents(app) else "`jupiter mapper`"
            raise JupiterError(f"nobody would map {name} again: start {who} first")
        before = picture.epoch
        await bus.delete_record(subjects.CONTROL_STREAM, subjects.mapping(name))
        try:
            async with asyncio.timeout(timeout_s):
                await watch.until(lambda now: now.mapping is not None and now.epoch > before)
        except TimeoutError:
            said = picture.mapper_message(app) or "the mapper said nothing"
            raise JupiterError(f"{name} has no new mapping after {timeout_s:g} s: {said}") from None
    return app
