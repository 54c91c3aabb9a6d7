"""`jupiter send`: a file or standard input into a running Jupiter."""

from __future__ import annotations

import asyncio
import contextlib
import secrets

from deploy.big_inputs import cut
from deploy.ingest import Sender
from deploy.positions import Positions
from deploy.progress import Progress
from deploy.report import counted
from deploy.submit import find_app
from runtime import subjects
from runtime.bus import Bus
from runtime.errors import JupiterError

SHOW_S = 0.2


async def send_all(bus: Bus, name: str, source: str, stopping: asyncio.Event, show: Progress) -> int:
    """Send all there is; returns how many inputs are stored. Ctrl-C raises, and says how many were."""
    app = await find_app(bus, name)
    if await bus.stream_state(subjects.ingress_stream(name)) is None:
        raise JupiterError(f"{name} has no ingress yet: is the dispatcher running?")
    positions = Positions()
    sender = Sender(bus, app, secrets.token_hex(4), positions)
    reading = asyncio.create_task(_read(source, app.input, sender), name="input")
    try:
        while not reading.done():
            await asyncio.wait([reading], timeout=SHOW_S)
            full = "; the ingress is full, waiting" if sender.waits_for_room else ""
            show.show("sending", f"{positions.sent_count:,} sent, {positions.stored_count:,} acknowledged{full}")
        reading.result()
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        if stopping.is_set():
            # What is under way would otherwise be neither sent nor known not to be.
            with contextlib.suppress(TimeoutError, JupiterError):
                async with asyncio.timeout(1.0):
                    await sender.finish()
            show.say(f"{counted(positions.stored_count, 'input')} of {name} acknowledged before the interruption")
        await sender.cancel()
    return positions.stored_count


async def _read(source: str, kind: str | int, sender: Sender) -> None:
    async with contextlib.aclosing(cut(source, kind, sender.limit_bytes)) as found:
        async for items in found:
            await sender.send(items)
        await sender.finish()
