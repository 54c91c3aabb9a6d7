"""Waiting for what sends no event.

There is one deadline for every wait. It is generous, because a busy machine is no error and what works never meets it;
whoever wants to know how long something takes compares it with something else that the same machine does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
DEADLINE_S = 90.0
LOOK_S = 0.02


async def until(condition: Callable[[], T | Awaitable[T]]) -> T:
    """Wait until `condition` gives something true, and return that; a TimeoutError when it does not in time."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            found = condition()
            value = await found if isinstance(found, Awaitable) else found
            if value:
                return value
            await asyncio.sleep(LOOK_S)
