"""`jupiter run` under load while everything in it is killed in turn: every result comes exactly once.

CI takes fewer items; the full run is JUPITER_KILL_ITEMS=10000 pytest tests/acceptance/test_kills.py -s
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from functools import partial

import pytest

from runtime import subjects
from runtime.bus import Bus, connect
from runtime.message import Outgoing
from tests.integration.cluster import REPOSITORY, Results, processes
from tests.waiting import DEADLINE_S, until

ITEMS = int(os.environ.get("JUPITER_KILL_ITEMS", "1500"))
POINTS = (0.1, 1 / 3, 2 / 3) if ITEMS >= 10_000 else (1 / 3,)
TASKS = ("split", "count", "length", "merge", "summary")
VICTIMS = {
    **{f"worker {task}": ("circe worker", f"--task {task} ") for task in TASKS},
    "gateway": ("circe gateway",),
    "an agent": ("-m agents", "--node node1"),
    "the home agent": ("-m agents", "--node home"),
    "mapper": ("-m mapper",),
    "dispatcher": ("circe dispatcher",),
}


async def send(bus: Bus, name: str) -> None:
    """The inputs of one round, each with an id of its own."""
    outgoing = [
        Outgoing(subjects.ingress("example"), f"{name} {number}".encode(), {"Nats-Msg-Id": f"{name} {number}"})
        for number in range(ITEMS)
    ]
    for start in range(0, ITEMS, 500):
        await asyncio.gather(*bus.store_many(outgoing[start : start + 500], 30.0))


async def server_url(process: asyncio.subprocess.Process) -> str:
    """What the command says it listens on, once everything is ready."""
    assert process.stderr is not None
    url = ""
    async with asyncio.timeout(DEADLINE_S):
        async for line in process.stderr:
            found = re.search(rb"nats://[0-9.:]+", line)
            url = found.group().decode() if found else url
            if b"mapping (" in line:
                return url
    raise AssertionError("the command ended before anything was mapped")


@pytest.mark.timeout(900)
async def test_every_result_comes_once_whoever_is_killed() -> None:
    command = [sys.executable, "-m", "deploy.cli", "run", str(REPOSITORY / "app_specific_files" / "example")]
    running = await asyncio.create_subprocess_exec(
        *command, cwd=REPOSITORY, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        url = await server_url(running)
        assert running.stderr is not None
        keep_reading = asyncio.create_task(running.stderr.read())
        async with connect(url, name="test") as bus:
            results = Results()
            await bus.subscribe(subjects.egress("example"), results.take)
            for victim, words in VICTIMS.items():
                for point in POINTS:
                    await kill_one(bus, results, victim, words, url, point)
            await asyncio.sleep(1.0)  # what would come twice has had time to
            assert results.twice() == []
            await until(partial(nothing_is_in_flight, bus))
        running.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(running.wait(), DEADLINE_S) == 0
        await keep_reading
        assert processes(url) == []
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()


async def nothing_is_in_flight(bus: Bus) -> bool:
    state = await bus.stream_state(subjects.ingress_stream("example"))
    return state is not None and not state.messages


async def kill_one(bus: Bus, results: Results, victim: str, words: tuple[str, ...], url: str, point: float) -> None:
    """One round: so many items, and a kill when that part of the results is out."""
    before, start_s = results.count, time.monotonic()
    sending = asyncio.create_task(send(bus, f"{victim} at {point:.2f}"))
    await results.wait_for(before + int(ITEMS * point))
    found = processes(url, *words)
    assert found, f"there is no {victim} to kill"
    os.kill(found[0], signal.SIGKILL)
    killed_s = time.monotonic()
    await sending
    await results.wait_for(before + ITEMS)
    now_s = time.monotonic()
    print(
        f"{victim:16} killed at {point:4.0%}: {now_s - killed_s:5.2f} s after the kill, {now_s - start_s:5.2f} s in all"
    )
    assert results.count == before + ITEMS
