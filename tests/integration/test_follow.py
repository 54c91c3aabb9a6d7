"""Records and objects on a real server: a follower knows what there is, through kills and missed messages."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from statistics import median

import pytest

from runtime.bus import Bus, connect
from runtime.bus_errors import WrongLastSequence
from runtime.message import Record
from runtime.server import EmbeddedServer
from runtime.streams import StreamSpec
from tests.waiting import DEADLINE_S


class Seen:
    """What a follower reported: the present values, and every report."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.reports: list[Record] = []
        self._more = asyncio.Event()

    def __call__(self, record: Record) -> None:
        self.reports.append(record)
        if record.payload is None:
            del self.values[record.subject]  # a KeyError is a report of something never seen
        else:
            self.values[record.subject] = record.payload
        self._more.set()

    async def until(self, expected: dict[str, bytes]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while self.values != expected:
                self._more.clear()
                await self._more.wait()


def records(name: str) -> StreamSpec:
    return StreamSpec(name=name, subjects=(f"{name}.>",), max_per_subject=1)


@pytest.fixture
async def own_bus(own_server: EmbeddedServer) -> AsyncIterator[Bus]:
    async with connect(own_server.url, name="test") as connected:
        await connected.ensure_stream(records("r"))
        yield connected


async def test_snapshot_then_changes_then_gone(bus: Bus, name: str) -> None:
    await bus.ensure_stream(records(name))
    for number in range(600):  # more than a page
        bus.store(f"{name}.{number}", b"old")
    await bus.put_record(f"{name}.x", b"1")
    seen = Seen()
    async with bus.follow(name, f"{name}.*", seen) as following:
        await following.caught_up
        assert len(seen.values) == 601
        sequence = await bus.put_record(f"{name}.x", b"2")
        expected = {**seen.values, f"{name}.x": b"2"}
        await seen.until(expected)
        assert seen.reports[-1].sequence == sequence
        assert abs(seen.reports[-1].timestamp_s - time.time()) < 60
        await bus.delete_record(name, f"{name}.x")
        del expected[f"{name}.x"]
        await seen.until(expected)
        await bus.put_record(f"{name}.x", b"3")
        await seen.until({**expected, f"{name}.x": b"3"})
    count = len(seen.reports)
    await bus.put_record(f"{name}.x", b"4")
    await bus.flush()
    assert len(seen.reports) == count, "nothing after it was stopped"
    assert len(await bus.snapshot(name, f"{name}.*")) == 601


async def test_a_bare_publish_is_a_record_too(bus: Bus, name: str) -> None:
    await bus.ensure_stream(records(name))
    seen = Seen()
    async with bus.follow(name, f"{name}.>", seen):
        bus.send(f"{name}.a", b"from anywhere")
        await seen.until({f"{name}.a": b"from anywhere"})


async def test_changes_come_as_soon_as_they_are_stored(bus: Bus, server: EmbeddedServer, name: str) -> None:
    await bus.ensure_stream(records(name))
    async with connect(server.url, name="follower") as other:
        seen, waits_s, stores_s = Seen(), [], []
        async with other.follow(name, f"{name}.>", seen) as following:
            await following.caught_up
            for number in range(50):
                begin = time.perf_counter()
                bus.store(f"{name}.a", b"%d" % number)
                await seen.until({f"{name}.a": b"%d" % number})
                waits_s.append(time.perf_counter() - begin)
                begin = time.perf_counter()
                await bus.store(f"{name}.b", b"")
                stores_s.append(time.perf_counter() - begin)
    assert median(waits_s) < 10 * median(stores_s)


async def test_a_burst_ends_at_the_last_value(bus: Bus, name: str) -> None:
    await bus.ensure_stream(records(name))
    seen = Seen()
    async with bus.follow(name, f"{name}.>", seen):
        for number in range(2000):
            bus.store(f"{name}.{number % 20}", b"%d" % number)
        await seen.until({f"{name}.{k}": b"%d" % (1980 + k) for k in range(20)})
    for k in range(20):
        sequences = [r.sequence for r in seen.reports if r.subject == f"{name}.{k}"]
        assert sequences == sorted(set(sequences)), "never backwards, never twice"


async def test_a_publish_the_stream_refuses_is_not_reported(bus: Bus, name: str) -> None:
    await bus.ensure_stream(records(name))
    await bus.put_record(f"{name}.a", b"1", expected_last_sequence=0)
    seen = Seen()
    async with bus.follow(name, f"{name}.>", seen) as following:
        await following.caught_up
        with pytest.raises(WrongLastSequence):
            await bus.put_record(f"{name}.a", b"2", expected_last_sequence=0)
        await bus.put_record(f"{name}.b", b"3")
        await seen.until({f"{name}.a": b"1", f"{name}.b": b"3"})
    assert len(seen.reports) == 2


async def test_following_before_there_is_a_stream(bus: Bus, name: str) -> None:
    seen = Seen()
    async with bus.follow(name, f"{name}.>", seen) as following:
        await asyncio.sleep(0.05)
        assert not following.caught_up.is_set()
        await bus.ensure_stream(records(name))
        await asyncio.wait_for(asyncio.ensure_future(following.caught_up), DEADLINE_S)
        await bus.put_record(f"{name}.a", b"1")
        await seen.until({f"{name}.a": b"1"})


async def test_follow_survives_kill_and_restart(own_server: EmbeddedServer, own_bus: Bus) -> None:
    for subject in ("r.stays", "r.changes", "r.goes"):
        await own_bus.put_record(subject, b"1")
    seen = Seen()
    async with own_bus.follow("r", "r.>", seen) as following:
        await following.caught_up
        await own_bus.delete_record("r", "r.goes")
        await seen.until({"r.stays": b"1", "r.changes": b"1"})
        await own_server.kill()
        await own_server.restart()
        await own_bus.put_record("r.changes", b"2")
        await seen.until({"r.stays": b"1", "r.changes": b"2"})
        await asyncio.sleep(0.1)
    assert "r.goes" not in seen.values, "a value from before the deletion came back"
    assert [r.subject for r in seen.reports].count("r.stays") == 1


async def test_what_changed_while_nobody_listened_is_reported(own_server: EmbeddedServer, own_bus: Bus) -> None:
    for subject in ("r.stays", "r.changes", "r.goes"):
        await own_bus.put_record(subject, b"1")
    async with connect(own_server.url, name="follower", ping_interval_s=0.1) as other:
        seen = Seen()
        async with other.follow("r", "r.>", seen, resync_s=0.2) as following:
            await following.caught_up
            await own_bus.purge("r", "r.goes")  # no message: only re-reading finds it
            await seen.until({"r.stays": b"1", "r.changes": b"1"})
            assert seen.reports[-1].payload is None


async def test_a_stream_made_anew_replaces_everything(own_bus: Bus) -> None:
    for subject in ("r.a", "r.b"):
        await own_bus.put_record(subject, b"old")
    seen = Seen()
    async with own_bus.follow("r", "r.>", seen, resync_s=0.2) as following:
        await following.caught_up
        await own_bus.delete_stream("r")
        await own_bus.ensure_stream(records("r"))
        await own_bus.put_record("r.b", b"new")  # a lower sequence than the old one
        await seen.until({"r.b": b"new"})


# Objects.
async def test_objects_are_replaced_checked_and_deleted(bus: Bus, name: str) -> None:
    assert await bus.get_object(name, "bundle") is None
    assert await bus.object_names(name) == []
    first, second = os.urandom(3_000_000), os.urandom(1_200_000)
    await bus.put_object(name, "bundle", first)
    assert await bus.get_object(name, "bundle") == first
    await bus.put_object(name, "bundle", second)
    assert await bus.get_object(name, "bundle") == second
    await bus.put_object(name, "empty/ü", b"")
    assert await bus.get_object(name, "empty/ü") == b""
    assert await bus.object_names(name) == ["bundle", "empty/ü"]
    assert await bus.delete_object(name, "bundle")
    assert not await bus.delete_object(name, "bundle")
    assert await bus.get_object(name, "bundle") is None
    state = await bus.stream_state(f"OBJ_{name}")
    assert state is not None
    assert state.messages == 2, "two descriptions are left, and no bytes"


async def test_an_object_is_whole_whatever_happens_to_the_server(own_server: EmbeddedServer, own_bus: Bus) -> None:
    payload = os.urandom(20_000_000)
    putting = asyncio.create_task(own_bus.put_object("bundles", "big", payload))
    await asyncio.sleep(0.05)
    await own_server.kill()
    await own_server.restart()
    await putting
    assert await own_bus.get_object("bundles", "big") == payload
