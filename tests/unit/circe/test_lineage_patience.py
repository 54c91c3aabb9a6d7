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


def test_a_root_that_goes_from_worker_to_worker_between_their_beats_is_not_lost() -> None:
    """For as long as it was seen lately, however old it is: so are all on machines that take seconds for an item."""
    lineage = Lineage("h", lambda: 1)
    lineage.follow({"t": ("t-0",), "u": ("u-0",)})
    lineage.start(1, "i", (Entry("t", b"v"),))

    def beat(worker: str, *, holds: bool) -> bool:
        held = (("h", 1, 1),) if holds else ()
        each = Beat(app="a", task="t", incarnation=worker, node="n", state=READY, number=1, connections=1, holds=held)
        return bool(lineage.beat(each, frozenset())[0])

    for _ in range(10):
        assert not beat("t-0", holds=True)
        assert not beat("u-0", holds=False)
    # It arrives where the last beat was just too early, having left where the next one is just too late.
    assert not beat("t-0", holds=False)
    assert not beat("u-0", holds=False)
    assert not beat("t-0", holds=False)
    assert not beat("u-0", holds=True)
    rounds = next(count for count in range(1, 10) if beat("t-0", holds=False) or beat("u-0", holds=False))
    assert rounds == 1 + STALE_ROUNDS


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
