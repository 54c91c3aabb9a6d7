"""Streams, consumers and the standing pull on a real server."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from deploy.fault_proxy import fault_proxy
from runtime.bus import Bus, connect
from runtime.bus_errors import ApiError
from runtime.errors import UsageError
from runtime.message import Delivery, Message, Outgoing
from runtime.server import EmbeddedServer
from runtime.streams import ConsumerSpec, StreamSpec
from tests.waiting import DEADLINE_S, until


class Reader:
    """Takes deliveries; `acknowledging` ones are acknowledged as they come."""

    def __init__(self, bus: Bus, *, acknowledging: bool = True) -> None:
        self.deliveries: list[Delivery] = []
        self._bus = bus
        self._acknowledging = acknowledging
        self._more = asyncio.Event()

    def __call__(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        if self._acknowledging:
            self._bus.acknowledge([delivery.reply])
        self._more.set()

    @property
    def payloads(self) -> list[bytes]:
        return [delivery.payload for delivery in self.deliveries]

    async def took(self, count: int) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while len(self.deliveries) < count:
                self._more.clear()
                await self._more.wait()


def queue(name: str) -> StreamSpec:
    consumer = ConsumerSpec(name="reader", ack_wait_s=60)
    return StreamSpec(name=name, subjects=(f"{name}.>",), retention="work_queue", consumers=(consumer,))


async def fill(bus: Bus, name: str, count: int, first: int = 0) -> None:
    batch = [Outgoing(f"{name}.{k % 7}", b"%d" % k) for k in range(first, first + count)]
    await asyncio.gather(*bus.store_many(batch))


async def test_only_as_many_come_as_were_wanted(bus: Bus, name: str) -> None:
    await bus.ensure_stream(queue(name))
    await fill(bus, name, 50)
    reader = Reader(bus)
    pull = await bus.pull(name, "reader", reader)
    await bus.flush()
    assert reader.deliveries == [], "nothing before it was wanted"
    pull.want(7)
    await reader.took(7)
    await bus.flush()
    assert (len(reader.deliveries), pull.wanted) == (7, 0)
    pull.want(100)
    await reader.took(50)
    assert reader.payloads == [b"%d" % k for k in range(50)]
    first = reader.deliveries[0]
    assert (first.subject, first.stream_sequence, first.delivered_count) == (f"{name}.0", 1, 1)
    await fill(bus, name, 1, first=50)
    await reader.took(51)
    await pull.stop()
    state = await bus.consumer_state(name, "reader")
    assert state is not None
    assert (state.ack_floor_stream_sequence, state.num_ack_pending, state.num_pending) == (51, 0, 0)


async def test_a_request_that_expires_is_renewed_without_a_gap(bus: Bus, name: str) -> None:
    await bus.ensure_stream(queue(name))
    reader = Reader(bus)
    pull = await bus.pull(name, "reader", reader, heartbeat_s=0.1, expires_s=0.25)
    pull.want(20)
    for number in range(10):
        await fill(bus, name, 1, first=number)
        await asyncio.sleep(0.06)
    await reader.took(10)
    assert reader.payloads == [b"%d" % k for k in range(10)]
    assert pull.wanted == 10
    await pull.stop()


async def test_bytes_bound_a_request_and_nothing_is_stuck(bus: Bus, name: str) -> None:
    await bus.ensure_stream(queue(name))
    for _ in range(8):
        await bus.store(f"{name}.big", bytes(3 << 20))
    reader = Reader(bus)
    pull = await bus.pull(name, "reader", reader)
    pull.want(100, max_bytes=1)
    await reader.took(8)
    await pull.stop()


async def test_pull_survives_restart_and_kill_of_the_server(own_server: EmbeddedServer) -> None:
    async with connect(own_server.url, name="test") as bus:
        await bus.ensure_stream(queue("q"))
        reader = Reader(bus)
        pull = await bus.pull("q", "reader", reader)
        pull.want(100)
        for round_number, end in enumerate((own_server.stop, own_server.kill)):
            await end()
            await own_server.restart()
            await bus.store_until("q.x", b"%d" % round_number)
            await reader.took(round_number + 1)
        assert pull.trouble == ""
        await pull.stop()


async def test_nothing_of_a_queue_is_lost_under_kills(own_server: EmbeddedServer) -> None:
    async with connect(own_server.url, name="test") as bus:
        await bus.ensure_stream(queue("q"))
        reader = Reader(bus)
        pull = await bus.pull("q", "reader", reader)
        pull.want(100_000)

        async def publish(lane: int) -> None:
            for number in range(lane, 2000, 20):
                await bus.store_until("q.x", b"%d" % number, {"Nats-Msg-Id": str(number)})

        async with asyncio.TaskGroup() as group:
            for lane in range(20):
                group.create_task(publish(lane))
            for _ in range(3):
                await asyncio.sleep(0.05)
                await own_server.kill()
                await own_server.restart()
        await bus.reset_consumer("q", "reader")
        await until(lambda: len(set(reader.payloads)) == 2000)
        await pull.stop()


async def test_a_consumer_that_is_gone_is_trouble_and_comes_back(bus: Bus, name: str) -> None:
    await bus.ensure_stream(queue(name))
    reader = Reader(bus)
    pull = await bus.pull(name, "reader", reader)
    pull.want(10)
    await fill(bus, name, 1)
    await reader.took(1)
    assert await bus.delete_consumer(name, "reader")
    await until(lambda: pull.trouble != "")
    await bus.ensure_consumer(name, "reader")
    await fill(bus, name, 1, first=1)
    await reader.took(2)
    assert pull.trouble == ""
    await pull.stop()


async def test_reset_delivers_again_at_once_what_a_dead_reader_held(server: EmbeddedServer, name: str) -> None:
    """On a work queue: acknowledged messages are gone, the others come again, and late acknowledgements count."""
    async with connect(server.url, name="dead") as dead:
        await dead.ensure_stream(queue(name))
        await fill(dead, name, 5)
        first = Reader(dead, acknowledging=False)
        (await dead.pull(name, "reader", first)).want(10)
        await first.took(5)
        dead.acknowledge([first.deliveries[0].reply, first.deliveries[3].reply])
        await dead.flush()
    async with connect(server.url, name="next") as bus:
        state = await bus.reset_consumer(name, "reader")
        assert (state.num_pending, state.num_ack_pending) == (3, 0)
        second = Reader(bus, acknowledging=False)
        pull = await bus.pull(name, "reader", second)
        pull.want(10)
        await second.took(3)
        assert second.payloads == [b"1", b"2", b"4"]
        assert [d.delivered_count for d in second.deliveries] == [1, 1, 1], "the count begins again"
        bus.acknowledge([first.deliveries[1].reply])  # from before the reset
        bus.acknowledge([d.reply for d in second.deliveries[1:]])
        await pull.stop()

        async def is_empty() -> bool:
            state = await bus.stream_state(name)
            return state is not None and state.messages == 0

        await until(is_empty)


async def test_what_a_hostile_producer_writes_is_a_message_like_others(
    bus: Bus, server: EmbeddedServer, name: str
) -> None:
    await bus.ensure_stream(queue(name))
    heard: list[Message] = []
    await bus.subscribe(f"{name}.>", heard.append)
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b'CONNECT {"headers": true, "verbose": false}\r\n')
    for status in (100, 404, 409, 503):
        block = b"NATS/1.0 %d Consumer Deleted\r\nNats-Pending-Messages: 5\r\n\r\n" % status
        writer.write(b"HPUB %s.a %d %d\r\n%s\r\n" % (name.encode(), len(block), len(block), block))
    writer.write(b"PUB %s.\xff 1\r\nx\r\n" % name.encode())
    await writer.drain()
    reader = Reader(bus)
    pull = await bus.pull(name, "reader", reader)
    pull.want(10)
    await reader.took(5)
    assert (pull.trouble, [delivery.status for delivery in reader.deliveries]) == ("", [0] * 5)
    await pull.stop()
    await until(lambda: len(heard) == 5)
    writer.close()
    await writer.wait_closed()
    assert bus.connections == 1


async def test_a_stored_status_line_does_not_end_a_reading(bus: Bus, server: EmbeddedServer, name: str) -> None:
    await bus.ensure_stream(StreamSpec(name=name, subjects=(f"{name}.>",), max_per_subject=1))
    block = b"NATS/1.0 204 EOB\r\n\r\n"
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b'CONNECT {"headers": true, "verbose": false}\r\n')
    writer.write(b"HPUB %s.a %d %d\r\n%sx\r\n" % (name.encode(), len(block), len(block) + 1, block))
    await writer.drain()

    async def is_stored() -> bool:
        return await bus.last_message(name, f"{name}.a") is not None

    await until(is_stored)
    await bus.store(f"{name}.b", b"y")
    assert [record.payload for record in await bus.snapshot(name, f"{name}.>")] == [b"x", b"y"]
    writer.close()
    await writer.wait_closed()


# Streams.
async def test_ensuring_twice_keeps_metadata_and_changes_bounds(bus: Bus, name: str) -> None:
    spec = StreamSpec(name=name, subjects=(f"{name}.>",), max_bytes=1 << 20, metadata={"run": "first"})
    created = await bus.ensure_stream(spec)
    assert created.metadata["run"] == "first"
    await bus.store(f"{name}.a", b"x")
    again = await bus.ensure_stream(
        replace(spec, max_bytes=1 << 21, max_age_s=60.0, metadata={"run": "second", "new": "yes"})
    )
    assert (again.metadata["run"], again.metadata["new"]) == ("first", "yes")
    assert (again.config["max_bytes"], again.config["max_age"]) == (1 << 21, 60_000_000_000)
    assert (again.messages, again.created_s) == (1, created.created_s)


async def test_many_may_ensure_at_once(bus: Bus, server: EmbeddedServer, name: str) -> None:
    async with connect(server.url, name="other") as other:
        specs = [replace(queue(name), metadata={"run": str(k)}) for k in range(8)]
        buses = (bus, other)
        states = await asyncio.gather(*[buses[k % 2].ensure_stream(spec) for k, spec in enumerate(specs)])
    assert len({state.metadata["run"] for state in states}) == 1


async def test_reading_purging_and_deleting(bus: Bus, name: str) -> None:
    await bus.ensure_stream(StreamSpec(name=name, subjects=(f"{name}.>",)))
    for number in range(6):
        await bus.store(f"{name}.{number % 2}", b"%d" % number, {"k": str(number)})
    message = await bus.get_message(name, 3)
    assert message is not None
    assert (message.subject, message.payload, message.headers["k"]) == (f"{name}.0", b"2", "2")
    for last in (
        await bus.last_message(name, f"{name}.1"),
        await bus.leader_last_message(name, f"{name}.1"),
    ):
        assert last is not None
        assert (last.payload, last.sequence, dict(last.headers)) == (b"5", 6, {"k": "5"})
    assert await bus.last_message(name, f"{name}.none") is None
    assert [m.sequence for m in await bus.read_stream(name, f"{name}.0", 2)] == [3, 5]
    assert await bus.purge(name, up_to_sequence=2) == 2
    assert await bus.purge(name, f"{name}.1") == 2
    assert await bus.get_message(name, 1) is None
    state = await bus.stream_state(name)
    assert state is not None
    assert (state.first_sequence, state.last_sequence, state.messages) == (3, 6, 2)
    assert await bus.delete_stream(name)
    assert not await bus.delete_stream(name)
    assert await bus.stream_state(name) is None
    assert await bus.consumer_state(name, "reader") is None


async def test_what_the_server_refuses_is_typed(bus: Bus, name: str) -> None:
    await bus.ensure_stream(StreamSpec(name=name, subjects=(f"{name}.>",)))
    with pytest.raises(ApiError, match="overlap"):
        await bus.ensure_stream(StreamSpec(name=f"{name}2", subjects=(f"{name}.a",)))
    with pytest.raises(UsageError, match="stream name"):
        StreamSpec(name="a.b", subjects=("a",))


async def test_what_is_served_over_a_connection_that_is_gone_comes_all_the_same(
    server: EmbeddedServer, bus: Bus, name: str
) -> None:
    """A machine that changes its address leaves a connection behind that the server takes for alive, for a while."""
    await bus.ensure_stream(queue(name))
    async with fault_proxy() as line:
        line.target_port = server.port
        async with connect(line.url, name="test", ping_interval_s=0.05) as moving:
            reader = Reader(moving)
            pull = await moving.pull(name, "reader", reader)
            pull.want(10)
            await moving.flush()
            again = asyncio.Event()
            moving.on_reconnect(again.set)
            line.half_open()
            await asyncio.wait_for(again.wait(), DEADLINE_S)
            await fill(bus, name, 5)
            await reader.took(5)
            assert sorted(reader.payloads) == [b"%d" % k for k in range(5)]
            await pull.stop()
