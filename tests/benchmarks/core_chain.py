"""The yardstick: the same diamond by hand on core NATS, with no guarantee at all.

One process a task, one nats-py connection a process, `subscribe(cb=…)`, msgpack of (id, source, payload), one
publish per child, a dict for the join, uvloop.

    python core_chain.py URL TASK
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import msgpack
import nats
import uvloop

CHILDREN = {"fork": ("left", "right"), "left": ("join",), "right": ("join",), "join": ("last",), "last": ("out",)}


async def main(url: str, task: str) -> None:
    client = await nats.connect(url)
    children = [f"chain.{child}" for child in CHILDREN[task]]
    held: dict[int, bytes] = {}

    async def forward(item_id: int, payload: bytes) -> None:
        packed = msgpack.packb((item_id, task, payload))
        for child in children:
            await client.publish(child, packed)

    async def pass_on(message: Any) -> None:
        item_id, _, payload = msgpack.unpackb(message.data)
        await forward(item_id, payload)

    async def join(message: Any) -> None:
        item_id, _, payload = msgpack.unpackb(message.data)
        if held.pop(item_id, None) is None:
            held[item_id] = payload
        else:
            await forward(item_id, payload)

    await client.subscribe(f"chain.{task}", cb=join if task == "join" else pass_on)
    await client.flush()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
