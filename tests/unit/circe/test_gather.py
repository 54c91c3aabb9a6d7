"""The head of a gather's queue, step by step; under faults it is walked in `test_gather_model`."""

from __future__ import annotations

import time
from itertools import count
from types import ModuleType

import pytest

from circe.call import Call
from circe.gather import GatherHead
from circe.groups import MOST_ITEMS, Group, State, unpack
from circe.head import Acknowledge, Input
from circe.outbox import SendFrame
from circe.sorting import member
from runtime import subjects
from runtime.codec import CODECS
from runtime.context import Context
from runtime.graph import MOST_GATHERED, Gather
from runtime.item import Report
from runtime.loader import UserTask
from runtime.records import EdgeRecord
from runtime.reference import Reference

EDGES = EdgeRecord(app="a", revision=1, workers={"g": ("g-1",)}, heads={"g": "g-1"}, segments={"g": ("g",)})


def item(sequence: int, payload: bytes = b"v", headers: dict[str, str] | None = None) -> Input:
    return Input(sequence, f"r-{sequence}", payload, headers, None, f"token {sequence}", 0.0)


_nothing = UserTask(name="g", module=ModuleType("g"), process=lambda items, ctx: None, kind="sync")


class Kit:
    """A head whose groups end as soon as they are sent, and whose journal never fails."""

    def __init__(self, *, sorts: bool = False, max_items: int = 100, max_bytes: int = 10_000, **rule: float) -> None:
        numbers = count(1)
        self.head = GatherHead(
            "g-1",
            lambda: next(numbers),
            "g",
            Gather(**rule),  # type: ignore[arg-type] # test shorthand
            sorts=sorts,
            max_items=max_items,
            max_bytes=max_bytes,
            group_bytes=1000,
        )
        self.head.follow(EDGES)
        self.groups: dict[str, list[bytes]] = {}
        self.headers: dict[str, object] = {}
        self.acknowledged: list[int] = []
        self.ends = True
        self._reports = count(1)

    def recover(self, state: State | None = None, floor: int = 0) -> State:
        kept = self.head.recover(state or State(), "queue", floor)
        self.head.recovered()
        return kept

    def turn(self, now_s: float = 0.0) -> State | None:
        """One turn; what the journal was told in it."""
        for instruction in self.head.poll(now_s):
            match instruction:
                case SendFrame(_, _, frame):
                    for part in frame.parts:
                        assert part.payload is not None
                        self.groups[part.item_id] = unpack(part.payload)
                        self.headers[part.item_id] = part.headers
                        if self.ends:
                            entry = (part.root, part.attempt, part.mid)
                            self.head.report(Report("g-1", next(self._reports), [entry]))
                case Acknowledge(sequences):
                    self.acknowledged += sequences
        state = self.head.to_keep()
        if state is not None:
            self.head.kept()
        return state

    def turns(self) -> None:
        idle = 0
        while idle < 3:  # sent and reported, told to the journal, acknowledged
            idle = 0 if self.turn() else idle + 1


def test_it_reads_nothing_before_the_journal_is_its_own() -> None:
    kit = Kit()
    assert kit.head.room == 0
    kit.head.take(item(1))
    assert kit.head.in_flight == 0
    kit.recover()
    assert kit.head.room == 100


def test_a_group_runs_after_the_journal_has_it_and_is_acknowledged_after_the_journal_has_its_end() -> None:
    kit = Kit(count=2)
    kit.recover()
    for each in (item(1, b"a"), item(2, b"b")):
        kit.head.take(each)
    kept = kit.turn()
    assert kept is not None
    assert [group.sequences for group in kept.groups] == [(1, 2)]
    assert kit.groups == {}
    assert kit.turn() is None
    assert kit.groups == {"r-1.~": [b"a", b"b"]}
    kept = kit.turn()
    assert kept == State("queue", high=2)
    assert kit.acknowledged == []
    kit.turn()
    assert kit.acknowledged == [1, 2]
    assert kit.head.in_flight == 0


def test_a_group_of_the_journal_waits_for_its_members_and_later_items_open_the_next() -> None:
    first = Kit(count=2)
    first.recover()
    for sequence in (1, 2):
        first.head.take(item(sequence))
    state = first.turn()
    second = Kit(count=2)
    second.recover(state)
    for sequence in (1, 3, 2, 4):
        second.head.take(item(sequence, b"%d" % sequence))
        second.turns()
    assert second.groups == {"r-1.~": [b"1", b"2"], "r-3.~": [b"3", b"4"]}
    assert second.acknowledged == [1, 2, 3, 4]


def test_the_largest_group_is_together_again_in_no_time() -> None:
    kit, sequences = Kit(max_items=MOST_ITEMS, max_bytes=1 << 20, count=MOST_GATHERED), range(1, MOST_GATHERED + 1)
    kit.recover(State("queue", MOST_GATHERED, frozenset(), (Group(1, "first", tuple(sequences)),)))
    began_s = time.process_time()
    for sequence in sequences:
        kit.head.take(item(sequence))
    assert time.process_time() - began_s < 5.0  # of work for each member with each, it would be 20
    kit.turn()
    assert len(kit.groups["first"]) == MOST_GATHERED


def test_what_the_journal_has_as_ended_is_only_acknowledged() -> None:
    kit = Kit(count=1)
    kit.recover(State("queue", high=5, open=frozenset({4})))
    for sequence in (3, 4, 5, 6):
        kit.head.take(item(sequence))
    kit.turns()
    assert sorted(kit.groups) == ["r-4.~", "r-6.~"]
    assert sorted(kit.acknowledged) == [3, 4, 5, 6]


def test_what_is_no_item_is_no_gap_that_the_journal_would_keep() -> None:
    kit = Kit(count=1)
    kit.recover()
    kit.head.let_go(1)
    kit.head.take(item(2))
    told = [kit.turn() for _ in range(4)]
    assert State("queue", high=2) in told


def test_another_queue_under_the_same_name_begins_anew() -> None:
    kit = Kit(count=1)
    kit.recover(State("an earlier one", high=5))
    kit.head.take(item(1))
    kit.turns()
    assert kit.acknowledged == [1]
    assert list(kit.groups) == ["r-1.~"]


def test_members_that_the_queue_holds_no_more_are_not_waited_for() -> None:
    kit = Kit(count=3)
    first = Kit(count=3)
    first.recover()
    for sequence in (1, 2, 3):
        first.head.take(item(sequence))
    kit.recover(first.turn(), floor=2)
    kit.head.take(item(3))
    kit.turns()
    assert kit.groups == {"r-1.~": [b"v"]}
    assert kit.acknowledged == [3]


@pytest.mark.parametrize(("max_items", "max_bytes"), [(8, 10_000), (100, 60)])
def test_open_groups_never_stall_it(max_items: int, max_bytes: int) -> None:
    kit = Kit(sorts=True, max_items=max_items, max_bytes=max_bytes, within_s=1e9)
    kit.recover()
    sequence = 0
    while sequence < 200:
        assert kit.head.room > 0
        for _ in range(kit.head.room):
            sequence += 1
            kit.head.take(item(sequence))
        for each in kit.head.to_sort(1000):
            kit.head.sort(each.sequence, f"key {each.sequence}", is_last=False, now_s=0.0)
        kit.turns()
    assert kit.head.counts["groups.bound"] > 100


def test_groups_in_work_are_waited_for() -> None:
    kit = Kit(count=2, max_items=4)
    kit.recover()
    kit.ends = False
    for sequence in range(1, 5):
        kit.head.take(item(sequence))
    kit.turns()
    assert len(kit.groups) == 2
    assert kit.head.room == 0


def test_an_item_without_a_group_is_acknowledged_as_well() -> None:
    kit = Kit(sorts=True, count=1)
    kit.recover()
    kit.head.take(item(1))
    assert [each.sequence for each in kit.head.to_sort(10)] == [1]
    origin = kit.head.origin(1)
    assert origin is not None
    assert (origin.item_id, origin.queue, origin.headers) == ("r-1", "g", None)
    kit.head.dead(1)
    kit.turns()
    assert kit.acknowledged == [1]
    assert kit.groups == {}


def test_an_item_that_is_an_object_is_asked_for_although_there_is_one_group_for_all() -> None:
    kit = Kit(count=1)
    kit.recover()
    kit.head.take(item(1)._replace(payload=Reference("o", 1 << 30, "0" * 64)))
    (asked,) = kit.head.to_sort(10)
    call = Call(_nothing, Context(app="a", task="g", node="n"), CODECS["bytes"], CODECS["bytes"], gathers=True)
    assert call.size_fault(member(asked, "g-1")) == (
        "an item has 1073741824 bytes, and a group, of which it would be, is one message; "
        "have a task before the gather give less of it on"
    )
    kit.head.dead(1)
    kit.turns()
    assert kit.acknowledged == [1]


def test_a_group_that_failed_comes_again_as_the_one_it_was() -> None:
    kit = Kit(count=2)
    kit.recover()
    kit.ends = False
    own = {subjects.INPUT_HEADER: "70", subjects.QUEUE_HEADER: "g 1"}
    kit.head.take(item(1, b"a", {**own, "Colour": "red"}))
    kit.head.take(item(2, b"b"))
    kit.turns()
    assert kit.headers == {"r-1.~": own}
    origin = kit.head.origin(1)
    assert origin is not None
    again = Kit(count=2)
    again.recover()
    again.head.take(Input(9, origin.item_id, origin.payload, origin.headers, None, "token 9", 0.0))
    again.turns()
    assert again.groups == kit.groups
    assert again.headers == kit.headers
    assert again.acknowledged == [9]


def test_what_it_holds_is_given_back_when_the_queue_is_anothers() -> None:
    kit = Kit(count=2)
    kit.recover()
    kit.ends = False
    for sequence in range(1, 4):
        kit.head.take(item(sequence))
    kit.turns()
    assert sorted(kit.head.surrender()) == ["token 1", "token 2", "token 3"]
    assert (kit.head.room, kit.head.in_flight, kit.head.due_s) == (0, 0, None)
    kit.head.kept()  # the answer to what was under way
    assert kit.turn() is None


def test_an_answer_from_before_it_was_given_back_groups_no_item_twice() -> None:
    kit = Kit(sorts=True, count=1)
    kit.recover()
    kit.head.take(item(1))
    kit.head.to_sort(10)
    kit.head.surrender()
    kit.recover()
    kit.head.take(item(1))
    kit.head.sort(1, "early", is_last=False, now_s=0.0)
    assert [each.sequence for each in kit.head.to_sort(10)] == [1]
    for key in ("a", "b"):
        kit.head.sort(1, key, is_last=False, now_s=0.0)
    kit.turns()
    assert list(kit.groups) == ["r-1.~a"]
    assert kit.acknowledged == [1]
