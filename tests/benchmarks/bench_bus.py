"""How fast the bus is. Run it from the repository: `python tests/benchmarks/bench_bus.py [SECONDS]`.

One process with one connection (two for core messages) and an embedded server on the same machine; 512-byte
messages, file storage. Every figure is the best of several windows; latencies are medians, in milliseconds.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import uvloop

from runtime.bus import Bus, connect
from runtime.message import Delivery, Message, Outgoing
from runtime.server import EmbeddedServer
from runtime.streams import ConsumerSpec, StreamSpec

PAYLOAD = b"x" * 512
IN_FLIGHT = 512
BATCH = 64
COUNT = 40_000
QUEUE = StreamSpec(name="q", subjects=("q.>",), retention="work_queue", consumers=(ConsumerSpec(name="c"),))
ID = {"Nats-Expected-Last-Subject-Sequence": "0"}


async def store_one_by_one(bus: Bus) -> float:
    """Stores per second, many in flight, each its own write and with headers."""
    begin = time.perf_counter()
    futures = []
    for number in range(COUNT):
        futures.append(bus.store(f"q.{number}", PAYLOAD, ID))
        if number >= IN_FLIGHT:
            await futures[number - IN_FLIGHT]
    await asyncio.gather(*futures)
    return COUNT / (time.perf_counter() - begin)


async def store_in_batches(bus: Bus) -> float:
    """Stores per second in prebuilt batches."""
    begin = time.perf_counter()
    futures = []
    for first in range(0, COUNT, BATCH):
        futures += bus.store_many([Outgoing(f"q.b.{first + k}", PAYLOAD) for k in range(BATCH)])
        if len(futures) > IN_FLIGHT:
            await futures[-IN_FLIGHT]
    await asyncio.gather(*futures)
    return COUNT / (time.perf_counter() - begin)


async def pull_and_acknowledge(bus: Bus) -> float:
    """Deliveries per second through the standing pull, acknowledged many per write."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    replies: list[str] = []
    state = await bus.stream_state("q")
    left = state.messages if state is not None else 0

    def acknowledge() -> None:
        bus.acknowledge(replies)
        replies.clear()
        pull.want(2000)

    def take(delivery: Delivery) -> None:
        nonlocal left
        left -= 1
        if not replies:
            loop.call_soon(acknowledge)
        replies.append(delivery.reply)
        if not left:
            done.set()

    count = left
    begin = time.perf_counter()
    pull = await bus.pull("q", "c", take)
    pull.want(2000)
    await done.wait()
    rate = count / (time.perf_counter() - begin)
    acknowledge()
    await pull.stop()
    return rate


async def send_to_a_subscriber(bus: Bus, other: Bus) -> float:
    """Core messages per second from one connection to another."""
    done = asyncio.Event()
    left = 5 * COUNT

    def take(message: Message) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    subscription = await other.subscribe("core", take)
    begin = time.perf_counter()
    for number in range(5 * COUNT):
        bus.send("core", PAYLOAD)
        if number % 1000 == 0:
            await bus.drain_writes()
    await done.wait()
    rate = 5 * COUNT / (time.perf_counter() - begin)
    await subscription.unsubscribe()
    return rate


async def median_ms(once: Callable[[], Awaitable[object]]) -> float:
    """The median of many, one after the other."""
    waits_ms = []
    for _ in range(500):
        begin = time.perf_counter()
        await once()
        waits_ms.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(waits_ms)


async def latencies(bus: Bus, other: Bus) -> dict[str, float]:
    """One at a time, nothing else under way."""
    await other.subscribe("echo", lambda message: other.send(message.reply, message.payload))
    await bus.ensure_stream(StreamSpec(name="r", subjects=("r.>",), max_per_subject=1))
    changed = asyncio.Event()

    async def change() -> None:
        changed.clear()
        bus.store("r.a", b"x")
        await changed.wait()

    async with other.follow("r", "r.>", lambda record: changed.set()) as following:
        await following.caught_up
        record_ms = await median_ms(change)
    return {
        "request and answer": await median_ms(lambda: bus.request("echo", PAYLOAD, 1.0)),
        "store": await median_ms(lambda: bus.store("q.l", PAYLOAD)),
        "record to its follower": record_ms,
    }


async def main() -> None:
    windows = max(1, int(float(sys.argv[1]) / 4)) if len(sys.argv) > 1 else 2
    async with (
        EmbeddedServer() as server,
        connect(server.url, name="bench") as bus,
        connect(server.url, name="other") as other,
    ):
        rates: dict[str, list[float]] = {}
        for _ in range(windows):
            await bus.ensure_stream(QUEUE)
            rates.setdefault("store/s, one by one", []).append(await store_one_by_one(bus))
            rates.setdefault("store/s, batches of 64", []).append(await store_in_batches(bus))
            rates.setdefault("pull and acknowledge/s", []).append(await pull_and_acknowledge(bus))
            rates.setdefault("core messages/s", []).append(await send_to_a_subscriber(bus, other))
            await bus.delete_stream("q")
        await bus.ensure_stream(QUEUE)
        for name, values in rates.items():
            print(f"{name:28}{max(values):12,.0f}")
        for name, value in (await latencies(bus, other)).items():
            print(f"{name:28}{value:12.3f} ms")


if __name__ == "__main__":
    uvloop.run(main())
