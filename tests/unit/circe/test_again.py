"""Which inputs may have come to something before: their attempts have even numbers, and only those are looked up."""

from __future__ import annotations

from itertools import count

from circe.credit import Amount
from circe.head import Head, Input
from circe.outbox import Outbox, SendFrame
from runtime.item import Part, is_again
from runtime.records import EdgeRecord


def head(max_items: int = 4) -> Head:
    draws = count(1)
    made = Head("h", lambda: next(draws), max_items=max_items, max_bytes=1 << 20)
    made.follow(edges("w-1"))
    return made


def edges(worker: str) -> EdgeRecord:
    workers = {"t": (worker,)}
    return EdgeRecord(
        app="app", revision=1, entries=("t",), workers=workers, heads={"home": "h"}, segments={"home": ("t",)}
    )


def given(sequence: int) -> Input:
    return Input(sequence, f"r-{sequence}", b"v", None, None, "token")


def attempts(made: Head) -> dict[int, int]:
    """By root, of what leaves now."""
    frames = [each.frame for each in made.poll(0.0) if isinstance(each, SendFrame)]
    return {part.root: part.attempt for frame in frames for part in frame.parts}


def test_an_input_is_sent_again_with_an_even_attempt() -> None:
    made = head()
    made.take(given(1))
    assert attempts(made) == {1: 1}
    made.follow(edges("w-2"))
    made.take(given(2))
    found = attempts(made)
    assert found == {1: 2, 2: 1}
    made.follow(edges("w-3"))
    assert attempts(made) == {1: 4, 2: 2}
    assert made.attempt(1) == 4
    assert made.attempt(3) is None


def test_what_another_head_may_have_read_comes_first_and_is_no_more_than_one_has_in_flight() -> None:
    made = head(max_items=2)
    made.begin()
    for sequence in (3, 5, 8):
        made.take(given(sequence))
    found = attempts(made)
    assert [is_again(found[sequence]) for sequence in (3, 5, 8)] == [True, True, False]


def test_what_it_gave_back_and_is_given_again_may_have_been_in_work() -> None:
    made = head()
    made.take(given(1))
    attempts(made)
    made.surrender()
    made.take(given(1))
    assert is_again(attempts(made)[1])


def test_what_waits_of_an_attempt_that_is_over_does_not_leave() -> None:
    outbox = Outbox("w-1", "t", Amount(4, 1 << 20))
    for root, attempt in ((1, 1), (1, 2), (2, 1)):
        outbox.put("c", "h", Part(root, attempt, 7, f"r-{root}", b"v"))
    outbox.put("c", "other", Part(1, 1, 7, "r-1", b"v"))
    outbox.drop("h", {1: 1})
    assert sorted(outbox.held()) == [("h", 1, 2), ("h", 2, 1), ("other", 1, 1)]
    outbox.forget_heads({"h"})
    assert list(outbox.held()) == [("other", 1, 1)]
