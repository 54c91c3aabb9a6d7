"""The bus on a real server: what is acknowledged is stored, every future resolves, nothing is taken for an answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket

import pytest

from runtime.bus import Bus, connect
from runtime.bus_errors import (
    BusClosed,
    ConnectionLost,
    NoResponders,
    NotPermitted,
    PayloadSizeError,
    RequestTimeout,
    StoreRefused,
    StoreTimeout,
    StreamFull,
    WriteBufferFull,
    WrongLastSequence,
)
from runtime.errors import TransportError, UsageError
from runtime.keepalive import SILENT_PINGS, Keepalive
from runtime.message import Message, Outgoing
from runtime.server import EmbeddedServer
from runtime.streams import StreamSpec
from tests.integration.faulty import proxy
from tests.waiting import DEADLINE_S

NEVER_STORED_BEFORE = {"Nats-Expected-Last-Subject-Sequence": "0"}


class Inbox(list[Message]):
    """Collects messages; `arrived(n)` waits for n of them."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def __call__(self, message: Message) -> None:
        self.append(message)
        self._more.set()

    async def arrived(self, count: int) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while len(self) < count:
                self._more.clear()
                await self._more.wait()


async def test_messages_keep_payload_headers_and_reply(bus: Bus, name: str) -> None:
    inbox = Inbox()
    await bus.subscribe(f"{name}.>", inbox)
    assert bus.publish(f"{name}.a", b"\r\n\x00", {"Key": "value: with colon", "Ü": "ö"}, reply="back")
    assert bus.send(f"{name}.b", b"x" * 300_000)
    assert bus.send_many([(f"{name}.c", b"%d" % k) for k in range(3)])
    await inbox.arrived(5)
    assert (inbox[0].subject, inbox[0].payload, inbox[0].reply) == (f"{name}.a", b"\r\n\x00", "back")
    assert dict(inbox[0].headers) == {"Key": "value: with colon", "Ü": "ö"}
    assert inbox[0].status == 0
    assert (len(inbox[1].payload), dict(inbox[1].headers)) == (300_000, {})
    assert [m.payload for m in inbox[2:]] == [b"0", b"1", b"2"]


async def test_unsubscribed_hears_nothing_more(bus: Bus, name: str) -> None:
    inbox = Inbox()
    subscription = await bus.subscribe(name, inbox)
    bus.send(name, b"1")
    await inbox.arrived(1)
    await subscription.unsubscribe()
    bus.send(name, b"2")
    await bus.flush()
    assert len(inbox) == 1


async def test_a_handler_that_raises_is_counted_and_goes_on(
    bus: Bus, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox()
    cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    cancelled.cancel()

    def handler(message: Message) -> None:
        inbox(message)
        if message.payload == b"bad":
            raise ValueError(message)
        if message.payload == b"cancelled":
            cancelled.result()

    await bus.subscribe(name, handler)
    with caplog.at_level(logging.CRITICAL):
        for payload in (b"bad", b"cancelled", b"good"):
            bus.send(name, payload)
        await inbox.arrived(3)
    assert bus.link.handler_errors == 2


async def test_request_answers_times_out_and_finds_nobody(bus: Bus, name: str) -> None:
    await bus.subscribe(name, lambda message: bus.send(message.reply, message.payload.upper()))
    assert (await bus.request(name, b"abc", 1.0)).payload == b"ABC"
    await bus.subscribe(f"{name}.silent", lambda message: None)
    with pytest.raises(RequestTimeout):
        await bus.request(f"{name}.silent", b"", 0.02)
    with pytest.raises(NoResponders):
        await bus.request(f"{name}.nobody", b"", 1.0)


@pytest.mark.parametrize("subject", ["", "a b", "a\r\nPUB b 0\r\n", "x" * 5000])
async def test_a_subject_the_server_would_close_on_is_refused(bus: Bus, subject: str) -> None:
    with pytest.raises(UsageError):
        bus.send(subject, b"")
    if len(subject) < 1000:
        with pytest.raises(UsageError):
            await bus.subscribe(subject, lambda message: None)


async def test_what_the_server_would_close_on_never_leaves(bus: Bus, name: str) -> None:
    with pytest.raises(PayloadSizeError):
        bus.send(name, bytes(bus.link.max_payload_bytes + 1))
    with pytest.raises(UsageError):
        bus.publish(name, b"", {"key": "line\r\nbreak"})
    assert await bus.flush()
    assert bus.connections == 1


async def test_nobody_there_is_one_sentence() -> None:
    with pytest.raises(TransportError, match=r"cannot reach NATS at nats://127.0.0.1:9 .* start the server"):
        async with connect("nats://127.0.0.1:9", name="test", connect_timeout_s=0.3):
            pytest.fail("it connected")


async def test_wrong_credentials_are_one_sentence() -> None:
    users = 'authorization { users: [ {user: "a", password: "b"} ] }'
    async with EmbeddedServer(extra_config=users) as server:
        wrong = server.url.replace("//", "//a:wrong@")
        with pytest.raises(TransportError, match="Authorization Violation"):
            async with connect(wrong, name="test", connect_timeout_s=0.5):
                pytest.fail("it connected")
        async with connect(server.url.replace("//", "//a:b@"), name="test") as bus:
            assert await bus.flush()


# Stores.
async def test_a_store_gives_sequence_and_duplicate(bus: Bus, name: str) -> None:
    await bus.ensure_stream(StreamSpec(name=name, subjects=(f"{name}.>",)))
    first = await bus.store(f"{name}.a", b"1", {"Nats-Msg-Id": "id"})
    again = await bus.store(f"{name}.a", b"1", {"Nats-Msg-Id": "id"})
    assert (first.stream, first.sequence, first.duplicate) == (name, 1, False)
    assert (again.sequence, again.duplicate) == (1, True)


async def test_an_id_that_is_held_is_refused_by_type(bus: Bus, name: str) -> None:
    await bus.ensure_stream(StreamSpec(name=name, subjects=(f"{name}.>",)))
    batch = [Outgoing(f"{name}.{k % 2}", b"x", NEVER_STORED_BEFORE) for k in range(4)]
    results = await asyncio.gather(*bus.store_many(batch), return_exceptions=True)
    assert [type(result).__name__ for result in results] == ["PubAck"] * 2 + ["WrongLastSequence"] * 2
    assert isinstance(results[2], WrongLastSequence)
    assert results[2].code == 10071


async def test_a_full_stream_is_refused_by_type_and_takes_again_when_drained(bus: Bus, name: str) -> None:
    await bus.ensure_stream(StreamSpec(name=name, subjects=(name,), max_messages=2))
    results = await asyncio.gather(*[bus.store(name, b"x") for _ in range(3)], return_exceptions=True)
    assert isinstance(results[2], StreamFull)
    waiting = asyncio.create_task(bus.store_until(name, b"y"))
    await bus.purge(name, up_to_sequence=1)
    assert (await waiting).sequence == 3


async def test_no_stream_is_no_responders_and_too_long_is_refused(bus: Bus, name: str) -> None:
    with pytest.raises(NoResponders):
        await bus.store(f"{name}.nowhere", b"x")
    await bus.ensure_stream(StreamSpec(name=name, subjects=(name,), max_message_bytes=10))
    with pytest.raises(StoreRefused) as refused:
        await bus.store(name, b"x" * 100)
    assert refused.type is StoreRefused, "it will never fit: not `full`"


async def test_a_subscriber_that_answers_a_store_is_not_an_acknowledgement(bus: Bus, name: str) -> None:
    await bus.subscribe(name, lambda message: bus.send(message.reply, b"hello"))
    with pytest.raises(StoreRefused, match="not an acknowledgement"):
        await bus.store(name, b"x")


async def test_what_is_stored_is_published_again_with_its_sequence(bus: Bus, name: str) -> None:
    spec = StreamSpec(name=name, subjects=(f"{name}.put.>",), republish=(f"{name}.put.>", f"{name}.egress.>"))
    await bus.ensure_stream(spec)
    inbox = Inbox()
    await bus.subscribe(f"{name}.egress.>", inbox)
    for _ in range(2):
        await asyncio.gather(bus.store(f"{name}.put.t.1", b"r", NEVER_STORED_BEFORE), return_exceptions=True)
    await bus.store(f"{name}.put.t.2", b"s", NEVER_STORED_BEFORE)
    await inbox.arrived(2)
    assert [(m.subject, m.payload) for m in inbox] == [
        (f"{name}.egress.t.1", b"r"),
        (f"{name}.egress.t.2", b"s"),
    ]
    assert inbox[1].headers["Nats-Sequence"] == "2"


# Bad days.
async def test_a_lost_acknowledgement_resolves_at_its_deadline(own_server: EmbeddedServer) -> None:
    async with proxy(own_server.port) as faulty, connect(faulty.url, name="test") as bus:
        await bus.ensure_stream(StreamSpec(name="s", subjects=("s",)))
        faulty.mute_answers = True
        with pytest.raises(StoreTimeout):
            await bus.store("s", b"x", {"Nats-Msg-Id": "1"}, deadline_s=0.1)
        faulty.mute_answers = False
        assert (await bus.store("s", b"x", {"Nats-Msg-Id": "1"})).duplicate


async def test_a_cut_connection_wakes_everybody_at_once_and_comes_back(own_server: EmbeddedServer) -> None:
    async with proxy(own_server.port) as faulty, connect(faulty.url, name="test") as bus:
        await bus.ensure_stream(StreamSpec(name="s", subjects=("s",)))
        inbox, again = Inbox(), asyncio.Event()
        await bus.subscribe("core", inbox)
        bus.on_reconnect(again.set)
        faulty.mute_answers = True
        store, request = bus.store("s", b"x", deadline_s=60), asyncio.create_task(bus.request("q", b"", 60))
        await asyncio.sleep(0.05)
        faulty.mute_answers = False
        faulty.cut()
        with pytest.raises(ConnectionLost):
            await store
        with pytest.raises(ConnectionLost):
            await request
        await asyncio.wait_for(again.wait(), DEADLINE_S)
        assert bus.connections == 2
        bus.send("core", b"y")
        await inbox.arrived(1)


async def test_a_half_open_connection_is_noticed_by_pings(own_server: EmbeddedServer) -> None:
    async with (
        proxy(own_server.port) as faulty,
        connect(faulty.url, name="test", ping_interval_s=0.05) as bus,
    ):
        again = asyncio.Event()
        bus.on_reconnect(again.set)
        faulty.mute_answers = faulty.mute_requests = True
        bus.send("x", bytes(4_000_000))  # more than the socket takes: closing must not wait for it
        await asyncio.sleep(0.3)
        faulty.mute_answers = faulty.mute_requests = False
        await asyncio.wait_for(again.wait(), DEADLINE_S)
        assert await bus.flush()


async def test_a_line_that_takes_its_time_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose machine takes little at a time, while we have written much."""
    looks = asyncio.Event()

    class Looking(Keepalive):
        seen = 0

        def is_lost(self, backlog_bytes: int) -> bool:
            if looks.is_set():
                return False  # how long the server takes for the rest is the machine's affair
            Looking.seen += 1
            if Looking.seen == SILENT_PINGS + 2:
                looks.set()
            return super().is_lost(backlog_bytes)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"slow","version":"2.14.0","max_payload":67108864}\r\n')
        while line := await reader.readline():
            if line == b"PING\r\n":
                writer.write(b"PONG\r\n")
            elif line.startswith(b"PUB big"):
                await looks.wait()
                await reader.readexactly(int(line.split()[2]) + 2)
        writer.close()

    monkeypatch.setattr("runtime.nats_client.Keepalive", Looking)
    with socket.socket() as plug:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plug.bind(("127.0.0.1", 0))
        async with await asyncio.start_server(serve, sock=plug) as server:
            port = server.sockets[0].getsockname()[1]
            async with connect(f"nats://127.0.0.1:{port}", name="test", ping_interval_s=0.05) as bus:
                bus.send("big", bytes(16_000_000))
                await asyncio.wait_for(looks.wait(), DEADLINE_S)
                assert await bus.flush(DEADLINE_S)
                assert bus.connections == 1


async def test_what_may_not_be_stored_fails_at_once_and_nothing_else_does() -> None:
    users = (
        "authorization { users: [{user: u, password: p, permissions: {publish: {deny: [denied]}}}] }\nno_auth_user: u"
    )
    async with EmbeddedServer(extra_config=users) as server, connect(server.url, name="test") as bus:
        await bus.ensure_stream(StreamSpec(name="s", subjects=("denied", "allowed")))
        denied, allowed = bus.store_many([Outgoing("denied", b""), Outgoing("allowed", b"")], deadline_s=1e6)
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(NotPermitted, match="may not publish to denied"):
                await denied
            await allowed
            with pytest.raises(NotPermitted):
                await bus.store_until("denied", b"", deadline_s=1e6)


async def test_while_disconnected_writes_wait_up_to_the_bound(own_server: EmbeddedServer) -> None:
    async with connect(own_server.url, name="test", write_buffer_bytes=100_000) as bus:
        await bus.ensure_stream(StreamSpec(name="s", subjects=("s",)))
        await own_server.kill()
        with pytest.raises(StoreTimeout):
            await bus.store("s", b"still in the buffer", deadline_s=0.2)
        sent = [bus.send("s", bytes(1000)) for _ in range(200)]
        assert 90 <= sum(sent) < 100
        assert bus.refused_writes == 200 - sum(sent)
        with pytest.raises(WriteBufferFull):
            await bus.store("s", b"x" * 1000)
        await own_server.restart()
        await bus.drain_writes()
        await bus.store_until("s", b"last")
        state = await bus.stream_state("s")
        assert state is not None
        # A store that timed out in the buffer leaves with the rest: its outcome was unknown, not refused.
        assert state.messages == 1 + sum(sent) + 1


async def test_nothing_acknowledged_is_lost_when_the_server_is_killed(own_server: EmbeddedServer) -> None:
    async with connect(own_server.url, name="test") as bus:
        await bus.ensure_stream(StreamSpec(name="s", subjects=("s.*",)))
        acknowledged: set[int] = set()

        async def publish(lane: int) -> None:
            for number in range(lane, 3000, 50):
                with contextlib.suppress(WrongLastSequence):  # the copy whose acknowledgement was lost
                    await bus.store_until(f"s.{number}", b"%d" % number, NEVER_STORED_BEFORE)
                acknowledged.add(number)

        async with asyncio.TaskGroup() as group:
            for lane in range(50):
                group.create_task(publish(lane))
            for _ in range(3):
                await asyncio.sleep(0.05)
                await own_server.kill()
                await own_server.restart()
        stored = [int(message.payload) for message in await bus.read_stream("s", "s.*")]
        assert len(acknowledged) == 3000
        assert sorted(stored) == sorted(acknowledged), "lost, or stored twice"


async def test_every_future_resolves_when_the_server_stays_dead(own_server: EmbeddedServer) -> None:
    async with connect(own_server.url, name="test") as bus:
        await bus.ensure_stream(StreamSpec(name="s", subjects=("s",)))
        futures = [bus.store("s", b"x", deadline_s=0.5) for _ in range(5000)]
        await asyncio.sleep(0.01)
        await own_server.kill()
        futures += [bus.store("s", b"x", deadline_s=0.5) for _ in range(100)]
        done, pending = await asyncio.wait(futures, timeout=DEADLINE_S)
        assert not pending
        assert {type(future.exception()) for future in done} <= {type(None), ConnectionLost, StoreTimeout}
        assert futures[-1].exception() is not None


async def test_closing_wakes_every_parked_await(server: EmbeddedServer, name: str) -> None:
    async with connect(server.url, name="test") as bus:
        await bus.subscribe(name, lambda message: None)
        request = asyncio.create_task(bus.request(name, b"", 60))
        store = bus.store(name, b"", deadline_s=60)  # the subscriber never acknowledges
        following = bus.follow(name, f"{name}.x", lambda record: None)
        await following.start()
        parked = asyncio.ensure_future(following.caught_up)
        await asyncio.sleep(0.01)
        await following.stop()
        with pytest.raises(BusClosed):
            await parked
    for waiter in (request, store):
        with pytest.raises(BusClosed):
            await waiter
    with pytest.raises(BusClosed):
        bus.send(name, b"")
    with pytest.raises(BusClosed):
        await bus.store(name, b"")
