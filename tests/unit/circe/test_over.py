"""A worker that hears that an input is over does nothing more for it, whatever it has in hand."""

from __future__ import annotations

import itertools

from circe.flow import Flow
from circe.job import Job
from circe.outputs import Output
from runtime.graph import Task, TaskGraph
from runtime.item import Control, Frame, Part
from runtime.network import HOME
from runtime.records import EdgeRecord


def last() -> Flow:
    graph = TaskGraph({"last": Task(name="last", script="s.py", children=(HOME,))}, ("last",))
    flow = Flow(graph=graph, task="last", incarnation="last-1", draw=itertools.count(1).__next__)
    flow.follow(record("head-1"))
    return flow


def record(head: str) -> EdgeRecord:
    return EdgeRecord(app="a", revision=1, entries=("last",), workers={"last": ("last-1",)}, heads={HOME: head})


def given(flow: Flow, *roots: int, attempt: int = 1) -> None:
    parts = [Part(root, attempt, 100 + root, f"i{root}", b"x", "", None) for root in roots]
    number = sum(flow.counts.values()) + 1
    flow.frame(Frame("head-1", number, 0, 0, HOME, "head-1", parts))


def over(flow: Flow, root: int, *, has_ended: bool) -> None:
    flow.control(Control("head-1", None, 0, [(root, 1, has_ended)]))


def results(flow: Flow, job: Job) -> int:
    return 0 if flow.lets_go(job) else len(flow.done(job, [Output(b"y")]))


def test_what_waits_is_dropped_when_its_attempt_is_over() -> None:
    flow = last()
    given(flow, 1, 2)
    over(flow, 1, has_ended=False)
    assert [job.root for job in flow.take(9)] == [2]


def test_what_is_in_work_gives_results_until_its_input_has_ended() -> None:
    flow = last()
    given(flow, 1, 2, 3)
    first, second, third = flow.take(9)
    over(flow, 1, has_ended=False)
    over(flow, 2, has_ended=True)
    assert [results(flow, job) for job in (first, second, third)] == [1, 0, 1]


def test_what_is_in_work_for_a_head_that_is_no_more_gives_none() -> None:
    flow = last()
    given(flow, 1, 2)
    (running,) = flow.take(1)
    flow.follow(record("head-2"))
    assert flow.backlog == 0
    assert results(flow, running) == 0
    assert flow.idle


def test_what_is_over_is_listed_no_more_and_gives_its_credit_back() -> None:
    flow = last()
    given(flow, 1)
    (running,) = flow.take(1)
    over(flow, 1, has_ended=True)
    assert flow.beat()[0] == []
    assert not flow.idle
    assert flow.lets_go(running)
    assert flow.idle


def test_a_result_under_way_when_its_input_ends_is_answered_for_once() -> None:
    flow = last()
    given(flow, 1)
    (job,) = flow.take(1)
    (result,) = flow.done(job, [Output(b"v")])
    over(flow, 1, has_ended=True)
    assert not flow.stored(result)
    assert flow.idle
    assert flow.counts["results"] == 0
