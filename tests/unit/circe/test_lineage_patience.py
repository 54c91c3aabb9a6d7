"""How long a head waits for a root that nobody lists: a little, and twice as long after each time it did not help."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from circe.lineage import STALE_ROUNDS, Entry, Lineage
from runtime.records import READY, Beat, EdgeRecord


def beats_until_sent_again(lineage: Lineage, worker: str, most: int = 1000) -> int:
    """Beats of the one worker, which holds nothing, until the root is sent again."""
    for number in range(1, most):
        beat = Beat(app="a", task="t", incarnation=worker, node="n", state=READY, number=number, connections=1)
        if lineage.beat(beat, frozenset())[0]:
            return number
    raise AssertionError(f"not sent again within {most} beats")


def started(worker: str = "t-0") -> Lineage:
    numbers = count(1)
    lineage = Lineage("h", lambda: next(numbers))
    lineage.follow({"t": (worker,)})
    lineage.start(1, "i", (Entry("t", b"v"),))
    return lineage


def test_each_alarm_doubles_the_patience() -> None:
    lineage = started()
    waited = [beats_until_sent_again(lineage, "t-0") for _ in range(4)]
    assert waited == [1 + STALE_ROUNDS * 2**alarms for alarms in range(4)]


def test_workers_that_come_and_go_do_not() -> None:
    lineage = started()
    for number in range(1, 12):
        assert lineage.follow({"t": (f"t-{number}",)})  # sent again, to a sender that may not have heard of it yet
    assert beats_until_sent_again(lineage, "t-11") == 1 + STALE_ROUNDS


def test_a_root_that_comes_again_begins_above_what_may_still_be_under_way() -> None:
    """A head keeps its name when it is named again, and joins drop what is older than what they hold."""
    lineage = started()
    assert lineage.resend_all()[0].part.attempt == 2
    assert lineage.abandon() == [1]
    assert lineage.start(1, "i", (Entry("t", b"v"),))[0].part.attempt == 3


def test_workers_of_other_segments_are_no_reason_to_send_again() -> None:
    record = EdgeRecord(
        app="a",
        revision=1,
        workers={"t": ("t-0",), "below": ("b-0",)},
        segments={"home": ("t",), "below": ("below",)},
    )
    lineage = started()
    assert lineage.follow(record.workers_of("home")) == []
    assert lineage.follow(replace(record, workers={"t": ("t-0",), "below": ("b-1",)}).workers_of("home")) == []
