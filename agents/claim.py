"""One agent per node: a second one for the same name would start every worker twice.

Whoever starts asks; whoever serves the node answers. One that is silent for its lease is left out by everybody, and
no reason to wait for longer.
"""

from __future__ import annotations

import asyncio

from runtime import subjects
from runtime.bus import Bus
from runtime.bus_errors import BusFault, NoResponders
from runtime.errors import UsageError
from runtime.message import Message

LEASE_S = 5.0
ANSWER_S = 0.5
PAUSE_S = 0.1


async def claim(bus: Bus, node: str, incarnation: str) -> None:
    """The node is ours when this returns; raises UsageError when another agent serves it."""
    subject = subjects.probe(node, "claim")
    try:
        async with asyncio.timeout(LEASE_S):
            while not await _is_free(bus, subject, node):  # noqa: ASYNC110 - nobody tells us that it has gone
                await asyncio.sleep(PAUSE_S)
    except TimeoutError:
        pass  # its connection is still there, but nobody behind it

    def answer(message: Message) -> None:
        if message.reply:
            bus.publish(message.reply, incarnation.encode())

    await bus.subscribe(subject, answer)


async def _is_free(bus: Bus, subject: str, node: str) -> bool:
    """False when it is not known yet."""
    try:
        answer = await bus.request(subject, b"", ANSWER_S)
    except NoResponders:
        return True
    except BusFault:
        return False
    other = answer.payload.decode("utf-8", "replace")
    raise UsageError(f"node {node} has an agent already, {other}: give this one another --node, or stop that one")
