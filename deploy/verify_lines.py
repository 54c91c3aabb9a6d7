"""Faults of lines: cut, half-open, slow, deaf."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from deploy.fault_proxy import FaultProxy
from deploy.verify_plan import Fault
from deploy.verify_trial import Trial

SLOW_LATENCY_S = (0.05, 0.2)
SLOW_BYTES_PER_S = 500_000.0


@contextlib.contextmanager
def weather(line: FaultProxy, **changes: object) -> Iterator[None]:
    before = {name: getattr(line.weather, name) for name in changes}
    for name, value in changes.items():
        setattr(line.weather, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(line.weather, name, value)


async def cut(trial: Trial, fault: Fault) -> None:
    line = trial.proxies[fault.victim]
    with weather(line, refuses=True):
        line.cut()
        await asyncio.sleep(fault.lasts_s)


async def half_open(trial: Trial, fault: Fault) -> None:
    trial.proxies[fault.victim].half_open()


async def slow(trial: Trial, fault: Fault) -> None:
    shortest_s, longest_s = SLOW_LATENCY_S
    latency_s = shortest_s + fault.chance * (longest_s - shortest_s)
    line = trial.proxies[fault.victim]
    with weather(line, latency_s=latency_s, bandwidth_bytes_per_s=SLOW_BYTES_PER_S):
        await asyncio.sleep(fault.lasts_s)


async def lost_answers(trial: Trial, fault: Fault) -> None:
    line = trial.proxies[fault.victim]
    with weather(line, swallows_answers=True):
        await asyncio.sleep(0.3)
        line.cut()


async def lost_requests(trial: Trial, fault: Fault) -> None:
    """Heard of by nobody, and hearing everybody: it counts as gone, and comes back as the one it was."""
    line = trial.proxies[fault.victim]
    with weather(line, swallows_requests=True):
        await asyncio.sleep(fault.lasts_s)
        line.cut()
