"""Seen numbers, credit, the join and the outbox, each by itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from circe.credit import WINDOW, Amount, ReceiverLedger, SenderLedger
from circe.join import Absent, Fired, Join, Late
from circe.outbox import FRAME_BYTES, Outbox
from circe.pulse import Pulse
from circe.seen import MAX_MISSING, Seen
from circe.window import Window
from runtime.item import Part


def part(root: int = 1, attempt: int = 1, mid: int = 7, item_id: str = "x", payload: bytes | None = b"v") -> Part:
    return Part(root, attempt, mid, item_id, payload, "" if payload is not None else "filtered")


@given(st.lists(st.integers(1, 60), max_size=200))
def test_a_number_is_new_once(numbers: list[int]) -> None:
    seen, found = Seen(), set()
    for number in numbers:
        assert seen.is_new(number) == (number not in found)
        found.add(number)


def test_numbers_missing_for_too_long_count_as_seen() -> None:
    seen = Seen()
    assert seen.is_new(10 * MAX_MISSING)
    assert not seen.is_new(1)
    assert seen.is_new(10 * MAX_MISSING - 1)


@given(
    st.lists(st.tuples(st.integers(1, 5), st.booleans(), st.booleans()), max_size=40),
    st.builds(Amount, st.integers(1, 4), st.integers(1, 40)),
)
def test_credit_never_exceeds_the_window_and_lost_frames_give_theirs_back(
    frames: list[tuple[int, bool, bool]], window: Amount
) -> None:
    ledger, sent = ReceiverLedger(window), Amount(0, 0)
    held = 0
    for size, is_lost, is_consumed in frames:
        if not is_lost:
            ledger.receive(sent, Amount(1, size))
            ledger.hold(Amount(1, size))
            held += size
            if is_consumed:
                ledger.release(size)
                held -= size
        sent = Amount(sent.parts + 1, sent.size_bytes + size)
        assert ledger.granted.parts <= sent.parts + window.parts
        assert ledger.granted.size_bytes <= sent.size_bytes + window.size_bytes
    ledger.receive(sent, Amount(0, 0))
    assert ledger.granted.size_bytes == sent.size_bytes + window.size_bytes - held


def test_one_part_larger_than_the_window_may_go_and_the_next_waits() -> None:
    ledger = SenderLedger(Amount(10, 100))
    assert ledger.available == 10
    ledger.send(1, 1000)
    assert ledger.available == 0
    ledger.grant(11, 1100)
    assert ledger.available == 10


def test_a_join_waits_for_all_its_parents_and_forgets() -> None:
    join = Join(("a", "b"), "all")
    assert join.add("h", "a", part(mid=1)) is None
    fired = join.add("h", "b", part(mid=2))
    assert isinstance(fired, Fired)
    assert list(fired.parts) == ["a", "b"]
    assert fired.xor == 3
    assert len(join) == 0


def test_an_absence_ends_a_join_of_all() -> None:
    join = Join(("a", "b"), "all")
    assert join.add("h", "a", part(mid=1, payload=None)) is None
    assert join.add("h", "b", part(mid=2)) == Absent(3, "filtered")
    assert len(join) == 0


def test_any_fires_at_once_and_reports_the_late_part() -> None:
    join = Join(("a", "b"), "any")
    assert isinstance(join.add("h", "b", part(mid=1)), Fired)
    assert len(join) == 1
    assert join.add("h", "a", part(mid=2)) == Late(2)
    assert len(join) == 0


def test_k_of_three_takes_absences_into_account() -> None:
    join = Join(("a", "b", "c"), 2)
    assert join.add("h", "a", part(mid=1, payload=None)) is None
    assert join.add("h", "b", part(mid=2)) is None
    fired = join.add("h", "c", part(mid=4))
    assert isinstance(fired, Fired)
    assert fired.xor == 7


def test_parts_of_different_attempts_never_meet() -> None:
    join = Join(("a", "b"), "all")
    assert join.add("h", "a", part(attempt=1)) is None
    assert join.add("h", "b", part(attempt=2)) is None
    assert join.add("h", "a", part(attempt=1)) is None
    assert len(join) == 1


def test_what_is_over_is_forgotten_and_what_waits_is_listed_at_the_second_beat() -> None:
    join = Join(("a", "b"), "all")
    join.add("h", "a", part(root=5, attempt=2))
    assert list(join.waiting()) == []
    assert list(join.waiting()) == [("h", 5, 2)]
    join.forget("h", 5, 1)
    assert len(join) == 1
    join.forget("h", 5, 2)
    assert len(join) == 0


def test_frames_are_bounded_in_bytes_and_in_order() -> None:
    outbox = Outbox("s-1", "s", WINDOW)
    outbox.follow({"t": ("t-1",)})
    for root in range(5):
        outbox.put("t", "h", part(root=root, payload=bytes(FRAME_BYTES // 2)))
    sent = outbox.flush()
    assert [len(each.frame.parts) for each in sent] == [2, 2, 1]
    assert [found.root for each in sent for found in each.frame.parts] == [0, 1, 2, 3, 4]
    assert [each.frame.position for each in sent] == [0, 2, 4]


def test_parts_wait_for_a_receiver_and_then_for_credit() -> None:
    outbox = Outbox("s-1", "s", Amount(2, 1000))
    for root in range(3):
        outbox.put("t", "h", part(root=root))
    assert outbox.flush() == []
    outbox.follow({"t": ("t-1",)})
    assert sum(len(each.frame.parts) for each in outbox.flush()) == 2
    assert outbox.blocked
    outbox.grant("t-1", Amount(3, 1000))
    assert sum(len(each.frame.parts) for each in outbox.flush()) == 1
    assert not outbox.blocked


def test_a_receiver_that_was_only_cut_off_meets_the_count_that_it_left() -> None:
    outbox = Outbox("s-1", "s", WINDOW)
    numbers, positions = [], []
    for receivers in (("t-1",), (), ("t-1",)):
        outbox.follow({"t": receivers})
        outbox.put("t", "h", part())
        for each in outbox.flush():
            numbers.append(each.frame.number)
            positions.append(each.frame.position)
    assert (numbers, positions) == ([1, 2], [0, 1])


@given(st.sets(st.text(min_size=1, max_size=5), min_size=1))
def test_an_item_always_goes_to_the_same_partition(item_ids: set[str]) -> None:
    owners: dict[str, str] = {}
    for source in ("left", "right"):
        outbox = Outbox(f"{source}-1", source, WINDOW)
        outbox.follow({"t": ("t-1", "t-2", "t-3")}, ["t"])
        for item_id in sorted(item_ids):
            outbox.put("t", "h", part(item_id=item_id))
        for each in outbox.flush():
            for found in each.frame.parts:
                assert owners.setdefault(found.item_id, each.incarnation) == each.incarnation


def test_a_pulse_tells_rates() -> None:
    pulse = Pulse(0.0)
    pulse.add([0.25])
    rates, latencies_s = pulse.beat(0.5, {"in": 10})
    assert rates == {"in_per_s": 20.0, "busy_ratio": 0.5}
    assert latencies_s == {"p50": 0.25, "p99": 0.25}


def test_frames_stop_where_the_credit_in_bytes_ends() -> None:
    outbox = Outbox("s-1", "s", Amount(100, 25))
    outbox.follow({"t": ("t-1",)})
    for root in range(5):
        outbox.put("t", "h", part(root=root, payload=bytes(10)))
    assert [found.root for each in outbox.flush() for found in each.frame.parts] == [0, 1, 2]
    assert outbox.blocked
    outbox.grant("t-1", Amount(103, 55))
    assert [found.root for each in outbox.flush() for found in each.frame.parts] == [3, 4]


def drive(window: Window, latency_s: float, most_per_s: float, seconds: float, start_s: float) -> list[int]:
    """A pipeline that takes `latency_s` for an item, and any number at once up to a rate; the sizes it came to."""
    sizes, in_flight = [], float(window.size)
    for step in range(int(seconds / 0.1)):
        in_flight += max(-most_per_s * 0.1, min(window.size - in_flight, most_per_s * 0.1))
        rate = min(in_flight / latency_s, most_per_s)
        window.ended([in_flight / rate] * max(1, int(rate * 0.1)), start_s + 0.1 * step)
        sizes.append(window.size)
    return sizes


def test_the_window_grows_with_the_rate_and_not_with_the_queues() -> None:
    window = Window(10_000)
    sizes = drive(window, 0.1, 5000.0, 60.0, 0.0)
    # 5,000/s x 0.1 s, and half as much again; less only for the moments in which the latency is seen anew.
    assert 700 <= max(sizes) <= 800
    assert sum(size >= 700 for size in sizes[50:]) > 0.9 * len(sizes[50:])


def test_the_window_finds_a_latency_that_has_changed() -> None:
    window = Window(100_000)
    drive(window, 0.01, 5000.0, 20.0, 0.0)
    assert drive(window, 0.5, 5000.0, 60.0, 20.0)[-1] >= 2500


def test_the_window_keeps_to_a_limit_below_its_floor() -> None:
    window = Window(4)
    window.ended([1.0], 0.0)
    window.ended([1.0] * 100, 1.0)
    assert window.size == 4
