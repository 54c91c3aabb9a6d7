"""What an operator is told of an application that cannot go on, and what to do."""

from __future__ import annotations

from typing import Any

from deploy.troubles import troubles

MEBI = 1 << 20


def held(share: float = 0.0) -> dict[str, Any]:
    return {"messages": 1, "bytes": int(share * MEBI), "max_bytes": MEBI}


def status(**changes: Any) -> dict[str, Any]:
    quiet: dict[str, Any] = {
        "app": "films",
        "ingress": held(),
        "egress": held(),
        "dead": held(),
        "objects": held(),
        "queues": {},
        "results_unread": 0,
        "workers": [],
    }
    return quiet | changes


def queue(share: float = 0.0, *, lag: int = 0, head: str | None = "cut-1") -> dict[str, Any]:
    return {**held(share), "lag": lag, "in_flight": 0, "head": head}


def test_when_all_is_well_nothing_is_said() -> None:
    assert troubles(status(queues={"cut": queue(0.5, lag=10)}, dead=held(0.7))) == []


def test_dead_letters_without_room() -> None:
    worker = {"task": "cut", "rates": {"letters_waiting": 3.0}}
    (trouble,) = troubles(status(dead=held(0.97), workers=[worker]))
    assert trouble.stands
    assert str(trouble) == (
        "the stream of dead letters (993 KiB of 1 MiB) has no room for 3 more: `jupiter dead films replay` or "
        "`jupiter dead films purge` makes room, or raise limits.dead_bytes"
    )


def test_what_fills_is_told_before_it_stands_and_after_what_does() -> None:
    found = troubles(status(dead=held(0.85), ingress=held(1.0)))
    assert [trouble.stands for trouble in found] == [True, False]
    assert found[1].what == "the stream of dead letters is 85% full (870 KiB of 1 MiB)"


def test_an_egress_that_nobody_reads_and_one_that_was_read() -> None:
    unread, read = (troubles(status(egress=held(1.0), results_unread=count))[0].todo for count in (12_345, 0))
    assert unread == (
        "nobody has read 12,345 results; a reader must acknowledge the consumer `results` of the stream "
        "jupiter-films-egress, or raise limits.egress_bytes"
    )
    assert "goes within two minutes" in read


def test_a_queue_without_a_reader_and_one_whose_reader_is_slow() -> None:
    (alone,) = troubles(status(queues={"cut": queue(0.1, lag=7, head=None)}))
    assert str(alone) == "nobody reads the queue of cut, where 7 items wait: a worker of cut must run"
    (slow,) = troubles(status(queues={"cut": queue(1.0, lag=7)}))
    assert slow.todo == "7 items wait for cut; give it `replicas` if it is too slow, or raise limits.queue_bytes"


def test_results_that_wait_for_room_in_a_queue_say_so_however_little_is_in_it() -> None:
    workers = [{"task": "read", "rates": {"no_room.cut": 2.0, "no_room.home": 0.0}}]
    (trouble,) = troubles(status(queues={"cut": queue(0.6, lag=1)}, workers=workers))
    assert trouble.what == "the queue of cut (614 KiB of 1 MiB) has no room for 2 more"
