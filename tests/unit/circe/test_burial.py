"""Dead letters that find no room: each is stored in the end, one at a time tries, and how many wait is known."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from circe import burial
from circe.burial import Burial
from runtime.bus import Bus
from runtime.bus_errors import BusClosed, PayloadSizeError, StreamFull
from runtime.message import PubAck

FULL = StreamFull(10077, "maximum bytes exceeded")


class Graves:
    """Takes letters while there is room; counts how many try at the same time."""

    def __init__(self, fault: Exception | None) -> None:
        self.fault = fault
        self.stored: list[str] = []
        self.trying = self.most_trying = self.tries = 0

    async def store(self, subject: str, letter: bytes, headers: dict[str, str], deadline_s: float) -> PubAck:
        self.tries += 1
        self.trying += 1
        self.most_trying = max(self.most_trying, self.trying)
        await asyncio.sleep(0)
        self.trying -= 1
        if self.fault is not None:
            raise self.fault
        self.stored.append(subject)
        return PubAck(b'{"stream":"s","seq":1}')


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(burial, "FIRST_RETRY_S", 0.0)
    monkeypatch.setattr(burial, "LONGEST_RETRY_S", 0.0)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("fault", [FULL, PayloadSizeError("a server that takes less than the last one")])
async def test_letters_wait_for_room_and_one_of_them_tries(fault: Exception) -> None:
    graves = Graves(fault)
    made = Burial(cast(Bus, graves))
    storing = [asyncio.create_task(made.store(f"d.{number}", b"", {}, f"{number}")) for number in range(20)]
    await turns(10)
    graves.most_trying = 0
    await turns(50)
    assert (made.waiting, graves.most_trying, graves.stored) == (20, 1, [])
    graves.fault = None
    await asyncio.gather(*storing)
    assert (made.waiting, graves.stored) == (0, [f"d.{number}" for number in range(20)])


async def test_what_finds_room_at_once_does_not_wait() -> None:
    graves = Graves(None)
    await Burial(cast(Bus, graves)).store("d.0", b"", {}, "0")
    assert (graves.tries, graves.stored) == (1, ["d.0"])


async def test_a_closed_bus_ends_it() -> None:
    made = Burial(cast(Bus, Graves(BusClosed("the bus is closed"))))
    with pytest.raises(BusClosed):
        await made.store("d.0", b"", {}, "0")
    assert made.waiting == 0
