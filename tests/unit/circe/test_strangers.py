"""Messages of ever new senders: what is remembered of them is bounded, and what is known of the live ones stays."""

from __future__ import annotations

import itertools

from circe.flow import Flow
from circe.lineage import Lineage
from circe.outbox import SendControl, SendReport
from circe.outputs import Output
from circe.seen import MOST_STRANGERS
from runtime import frames
from runtime.graph import Task, TaskGraph
from runtime.item import Frame, Part, Report
from runtime.network import HOME
from runtime.records import EdgeRecord

TASKS = {
    "left": Task(name="left", script="s.py", children=("join",)),
    "right": Task(name="right", script="s.py", children=("join",)),
    "join": Task(name="join", script="s.py", children=(HOME,)),
}
GRAPH = TaskGraph(TASKS, ("left", "right"))
EDGES = EdgeRecord(
    app="a",
    revision=1,
    entries=("left", "right"),
    workers={"left": ("left-1",), "right": ("right-1",), "join": ("join-1",)},
    heads={HOME: "head-1"},
)


def worker(task: str) -> Flow:
    flow = Flow(graph=GRAPH, task=task, incarnation=f"{task}-1", draw=itertools.count(1).__next__)
    flow.follow(EDGES)
    return flow


def absence(reason: str) -> Part:
    return Part(1, 1, 5, "r-1", None, reason)


def test_strangers_do_not_fill_a_worker() -> None:
    flow = worker("left")
    flow.frame(Frame("head-1", 1, 0, 0, HOME, "head-1", [Part(1, 1, 5, "r-1", b"x")]))
    for number in range(20 * MOST_STRANGERS):
        flow.frame(Frame(f"s-{number}", 1, 0, 0, HOME, f"h-{number}", [absence(f"reason {number}")]))
        flow.poll()
    for known in (flow._seen, flow._ledgers, flow._report_numbers, flow.counts):
        assert len(known) < 2 * MOST_STRANGERS
    assert {"head-1"} <= flow._seen.keys() & flow._ledgers.keys()
    flow.frame(Frame("head-1", 1, 0, 0, HOME, "head-1", [Part(1, 1, 5, "r-1", b"x")]))
    assert flow.counts["dropped.repeated"] == 1


def test_what_is_dropped_because_its_head_is_unknown_is_not_reported_as_done() -> None:
    """It may be the next head, of which the worker has yet to hear: its item must come again."""
    flow = worker("join")
    for parent in ("left", "right"):
        flow.frame(Frame(f"{parent}-1", 1, 0, 0, parent, "head-2", [Part(1, 1, 5, "r-1", b"x")]))
    (job,) = flow.take(1)
    (result,) = flow.done(job, [Output(b"y")])
    for _ in range(2):
        flow.beat()
    assert job.is_moot
    flow.stored(result)
    assert [each for each in flow.poll() if isinstance(each, SendReport)] == []
    assert flow.idle


def test_strangers_do_not_fill_a_head() -> None:
    lineage = Lineage("head-1", itertools.count(1).__next__)
    lineage.follow({"left": ("left-1",)})
    lineage.report(Report("left-1", 1, []))
    for number in range(20 * MOST_STRANGERS):
        lineage.report(Report(f"s-{number}", 1, []))
    assert len(lineage._seen) < 2 * MOST_STRANGERS
    assert "left-1" in lineage._seen


def test_a_join_takes_no_part_from_who_is_none_of_its_parents() -> None:
    flow = worker("join")
    part = Part(1, 1, 5, "r-1", b"x")
    flow.frame(Frame("s-1", 1, 0, 0, "nobody", "head-1", [part, part]))
    flow.frame(Frame("left-1", 1, 0, 0, "left", "head-1", [part]))
    assert (flow.backlog, flow.counts["dropped.stranger"]) == (0, 2)
    flow.frame(Frame("right-1", 1, 0, 0, "right", "head-1", [part]))
    assert flow.backlog == 1


def test_the_largest_numbers_that_are_taken_can_be_answered() -> None:
    flow = worker("left")
    most = frames.MAX_COUNT - 1
    flow.frame(Frame("s-1", most, most, most, HOME, "h", [Part(most, most, 2**64 - 1, "r-1", None)] * 2))
    flow.frame(Frame("s-1", 0, most, most, HOME, "h", []))
    sent = [each for each in flow.poll() if isinstance(each, SendControl)]
    assert sent
    assert all(frames.encode_control(each.control) for each in sent)
