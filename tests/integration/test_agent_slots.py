"""Turns on the machine's CPUs."""

import asyncio
import os
from pathlib import Path

import pytest

from agents import slots
from agents.slots import PER_CORE, needed, turn


@pytest.mark.parametrize(("cores", "turns"), [(8.0, PER_CORE), (1.0, PER_CORE), (0.5, 2), (0.01, 1)])
def test_a_node_takes_what_its_tasks_can_use(cores: float, turns: int) -> None:
    assert needed(cores) == turns


async def test_as_many_at_once_as_there_are_cpus_and_the_next_when_one_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(slots, "PAUSE_S", 0.001)
    at_work, most = 0, 0

    async def measure() -> None:
        nonlocal at_work, most
        async with turn(tmp_path, 1.0):
            at_work += 1
            most = max(most, at_work)
            await asyncio.sleep(0.005)
            at_work -= 1

    await asyncio.gather(*[measure() for _ in range(6)])
    assert most == 2
