"""The memory that a worker shares with its parent."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.slot import MAX_ID_BYTES, NOTE_BYTES, SIZE_BYTES, SLOTS, Call, Slots, Step, slot_id

COUNTS = st.integers(0, (1 << 64) - 1)
IDS = st.text(max_size=1200)


def pair() -> tuple[Slots, Slots]:
    """The worker's view and its parent's."""
    memory = memoryview(bytearray(SIZE_BYTES))
    return Slots(memory), Slots(memory)


@given(st.dictionaries(st.integers(0, SLOTS - 1), st.tuples(COUNTS, COUNTS, IDS), max_size=5), st.data())
def test_the_parent_sees_the_items_that_are_in_work(
    entered: dict[int, tuple[int, int, str]], data: st.DataObject
) -> None:
    worker, parent = pair()
    worker.begin(SLOTS)
    for slot, (root, attempt, item_id) in entered.items():
        worker.enter(slot, root, attempt, item_id, 1.5 + slot)
    left = data.draw(st.sets(st.sampled_from(sorted(entered)))) if entered else set()
    for slot in left:
        worker.leave(slot)
    assert parent.calls() == [
        Call(slot, root, attempt, slot_id(item_id), 1.5 + slot)
        for slot, (root, attempt, item_id) in sorted(entered.items())
        if slot not in left
    ]
    assert parent.last_calls() == [
        Call(slot, root, attempt, slot_id(item_id), 0.0)
        for slot, (root, attempt, item_id) in sorted(entered.items())
        if slot in left and item_id
    ]


@given(IDS, IDS)
def test_ids_stay_different_and_fit(one: str, other: str) -> None:
    assert len(slot_id(one).encode()) <= MAX_ID_BYTES
    assert (slot_id(one) == slot_id(other)) == (one == other)


def test_an_item_is_the_same_whenever_it_is_sent_again() -> None:
    worker, parent = pair()
    worker.begin(1)
    worker.enter(0, 7, 1, "run-7", 1.0)
    (first,) = parent.calls()
    worker.enter(0, 7, 2, "run-7", 2.0)
    (second,) = parent.calls()
    assert first.key == second.key
    assert first != second


def test_before_it_begins_a_worker_is_in_nothing() -> None:
    worker, parent = pair()
    assert parent.calls() == []
    assert parent.current() is None
    assert parent.beat_s == 0
    assert not parent.is_leaving
    assert parent.note_version == 0
    assert worker.note() == b""


def test_the_step_of_an_event_loop() -> None:
    worker, parent = pair()
    worker.begin(SLOTS)
    worker.step(3, 2.5)
    assert parent.current() == Step(3, 2.5)
    assert parent.is_loop
    worker.pause()
    assert parent.current() is None


def test_beat_lease_and_leaving() -> None:
    worker, parent = pair()
    worker.begin(1)
    worker.beat(4.5)
    parent.renew(5.5)
    worker.say_leaving()
    assert (parent.beat_s, worker.renewed_s, parent.is_leaving, parent.is_loop) == (4.5, 5.5, True, False)


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4))
def test_the_last_note_is_read_and_each_is_noticed(notes: list[bytes]) -> None:
    worker, parent = pair()
    for number, note in enumerate(notes, 1):
        parent.tell(note)
        assert worker.note_version == number
        assert worker.note() == note


def test_a_note_that_is_being_written_is_none() -> None:
    memory = memoryview(bytearray(SIZE_BYTES))
    worker = parent = Slots(memory)
    parent.tell(b"complete")
    memory[-NOTE_BYTES] ^= 1
    assert worker.note() is None


def test_the_note_does_not_reach_into_the_slots() -> None:
    worker, parent = pair()
    worker.begin(SLOTS)
    worker.enter(SLOTS - 1, 1, 1, "x" * MAX_ID_BYTES, 1.0)
    parent.tell(b"n" * NOTE_BYTES)
    assert [call.item_id for call in parent.calls()] == ["x" * MAX_ID_BYTES]
    assert worker.note() == b"n" * NOTE_BYTES
