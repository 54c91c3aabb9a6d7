"""Replicas get as much as they do: whoever has the most free credit is next, equal ones in turn."""

from __future__ import annotations

from collections import Counter, deque

from hypothesis import given
from hypothesis import strategies as st

from circe.credit import WINDOW, Amount, ReceiverLedger, SenderLedger
from circe.outbox import Outbox
from circe.sharing import Room, by_credit
from runtime.item import Part


def part(number: int, size_bytes: int = 1) -> Part:
    return Part(number, 1, number + 1, f"r-{number}", bytes(size_bytes))


def parts(sizes: list[int]) -> deque[tuple[str, Part]]:
    return deque(("h", part(number, size)) for number, size in enumerate(sizes))


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 40)), min_size=1, max_size=4),
    st.lists(st.integers(1, 15), max_size=40),
    st.integers(0, 3),
)
def test_nobody_waits_while_another_has_room_and_nobody_is_overrun(
    used: list[tuple[int, int]], sizes: list[int], first: int
) -> None:
    window = Amount(8, 50)
    ledgers = [SenderLedger(window) for _ in used]
    for ledger, (count, size) in zip(ledgers, used, strict=True):
        ledger.send(count, size)
    rooms = [Room(f"r{index}", ledger, window) for index, ledger in enumerate(ledgers)]
    queue = parts(sizes)
    by_credit(queue, rooms, first % len(rooms))
    taken = sorted(found.root for room in rooms for _, found in room.parts)
    assert taken == list(range(len(taken)))  # what goes, goes in order
    assert len(taken) + len(queue) == len(sizes)
    if queue:
        assert all(room.free == 0 for room in rooms)
    for room, ledger in zip(rooms, ledgers, strict=True):
        assert len(room.parts) <= max(0, ledger.available)
        sent_bytes = [len(found.payload or b"") for _, found in room.parts]
        assert sum(sent_bytes[:-1]) < max(1, ledger.available_bytes)


def test_equal_ones_in_turn_also_over_many_turns() -> None:
    outbox = Outbox("s-1", "s", WINDOW)
    outbox.follow({"t": ("t-1", "t-2", "t-3")})
    got: list[str] = []
    for number in range(7):
        outbox.put("t", "h", part(number))
        got += [each.incarnation for each in outbox.flush()]
    assert got == ["t-1", "t-2", "t-3"] * 2 + ["t-1"]


def test_a_slow_replica_gets_what_it_does_and_holds_no_more_than_the_fast_one() -> None:
    """256 items in flight, as the head keeps them; one replica does nine in the time of the other's one."""
    speeds = {"fast": 9, "slow": 1}
    outbox = Outbox("s-1", "s", WINDOW)
    outbox.follow({"t": tuple(speeds)})
    receivers = {name: ReceiverLedger(WINDOW) for name in speeds}
    held: dict[str, deque[Part]] = {name: deque() for name in speeds}
    done: Counter[str] = Counter()
    number = 0
    for _ in range(300):
        while number - done.total() < 256:
            outbox.put("t", "h", part(number))
            number += 1
        for incarnation, frame in ((each.incarnation, each.frame) for each in outbox.flush()):
            receivers[incarnation].receive(
                Amount(frame.position, frame.position_bytes), Amount(len(frame.parts), len(frame.parts))
            )
            for found in frame.parts:
                receivers[incarnation].hold(Amount(1, 1))
                held[incarnation].append(found)
        for name, speed in speeds.items():
            for _ in range(min(speed, len(held[name]))):
                held[name].popleft()
                receivers[name].release(1)
                done[name] += 1
            granted = receivers[name].due(at_once=True)
            if granted is not None:
                outbox.grant(name, granted)
    assert done["slow"] == 300
    assert done["fast"] >= 0.99 * 300 * 9
    assert abs(len(held["fast"]) - len(held["slow"])) <= 10
