"""Inputs with objects in a head: so many bytes of them at a time, and small ones go past them."""

from __future__ import annotations

from circe.head import Acknowledge, Head, Input
from circe.outbox import SendFrame
from runtime.item import Report
from runtime.records import EdgeRecord
from runtime.reference import Reference

EDGES = EdgeRecord(
    app="app",
    revision=1,
    entries=("a",),
    workers={"a": ("a-1",)},
    heads={"home": "gateway-1"},
    segments={"home": ("a",)},
)


def head() -> Head:
    made = Head("gateway-1", lambda: 7, max_items=100, max_bytes=1 << 20, max_object_bytes=100)
    made.follow(EDGES)
    return made


def given(sequence: int, size_bytes: int = 0) -> Input:
    payload = Reference(f"o{sequence}", size_bytes, "ab" * 32) if size_bytes else b"small"
    return Input(sequence, f"run-{sequence}", payload, None, None, f"token {sequence}")


def sent(made: Head) -> list[int]:
    return [part.root for each in made.poll(0.0) if isinstance(each, SendFrame) for part in each.frame.parts]


def end(made: Head, root: int, number: int, attempt: int = 1) -> None:
    made.report(Report("a-1", number, [(root, attempt, 7)]))


def test_large_inputs_wait_for_one_another_and_small_ones_for_nobody() -> None:
    made = head()
    for item in (given(1, 60), given(2, 60), given(3), given(4, 30)):
        made.take(item)
    assert sent(made) == [1, 3]  # the fourth would fit, but not before the second
    end(made, 1, 1)
    assert sent(made) == [2, 4]
    assert made.taken == 3


def test_an_edit_changes_what_may_be_in_flight() -> None:
    made = head()
    made.take(given(1))
    assert sent(made) == [1]
    assert made.room == 99
    made.bound(max_items=1, max_bytes=1 << 20, max_object_bytes=100)
    assert made.room == 0
    made.bound(max_items=100, max_bytes=5, max_object_bytes=100)
    assert made.room == 0
    made.bound(max_items=100, max_bytes=1 << 20, max_object_bytes=200)
    for item in (given(2, 60), given(3, 60)):
        made.take(item)
    assert sent(made) == [2, 3]


def test_one_that_waits_and_comes_again_only_renews_what_acknowledges_it() -> None:
    made = head()
    made.take(given(1, 60))
    made.take(given(2, 60))
    made.take(given(2, 60)._replace(token="newer"))
    end(made, 1, 1)
    assert sent(made) == [1, 2]
    end(made, 2, 2, attempt=3)  # attempts go on counting where others have ended
    assert [each.tokens for each in made.poll(0.0) if isinstance(each, Acknowledge)] == [["newer"]]


def test_a_head_that_gives_its_queue_away_gives_back_those_that_wait_as_well() -> None:
    made = head()
    for item in (given(1, 60), given(2, 60), given(3, 60)):
        made.take(item)
    assert sent(made) == [1]
    end(made, 1, 1)  # not said to the queue yet
    assert sorted(made.surrender()) == ["token 2", "token 3"]
    assert sent(made) == []
    made.take(given(4, 60))
    made.take(given(5, 60))
    assert sent(made) == [4]
