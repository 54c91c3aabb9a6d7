"""The watch over one worker, with a real process and a count of kills for want of memory that is ours to set."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from agents import guard
from agents.guard import Guard, Ward
from agents.verdict import Verdict
from runtime import children
from tests.waiting import until

TIMEOUT_S = 2.0


class Kernel:
    """How many processes of the machine were killed for want of memory, and how often that was asked."""

    kills = 7
    asked = 0

    def oom_kills(self) -> int:
        self.asked += 1
        return self.kills


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(guard, "oom_kills", made.oom_kills)
    return made


async def killed(kernel: Kernel, *, during: int, at_the_end: int) -> Verdict:
    """A worker is killed in an item; so many others died of hunger well before that, and with it."""
    made = Guard(Ward(task="t", node="n", timeout_s=TIMEOUT_S, publish=lambda _: True, echo=lambda _: None))
    process = await children.spawn(["sleep", "60"])
    made.started()
    now_s = time.monotonic()
    made.slots.begin(1)
    made.slots.beat(now_s)
    made.slots.enter(0, 1, 1, "an-item", now_s)

    async def speak() -> bool:
        return True

    watching = asyncio.create_task(made.watch(process, speak))
    kernel.kills += during
    asked = kernel.asked
    await until(lambda: kernel.asked >= asked + 3)
    kernel.kills += at_the_end
    process.send_signal(signal.SIGKILL)
    status = await process.wait()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    verdict, _ = made.judge(status)
    return verdict


async def test_an_earlier_kill_for_want_of_memory_is_not_blamed_for_this_one(kernel: Kernel) -> None:
    assert not (await killed(kernel, during=1, at_the_end=0)).is_known


async def test_a_kill_for_want_of_memory_is_charged(kernel: Kernel) -> None:
    verdict = await killed(kernel, during=0, at_the_end=1)
    assert verdict.is_known
    assert [call.item_id for call in verdict.guilty] == ["an-item"]
    assert "out of memory" in verdict.error
