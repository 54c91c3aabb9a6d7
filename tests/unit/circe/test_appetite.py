"""A worker begins no more than what it can hold of what comes of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from circe.appetite import AT_WORK_BYTES, UNSTORED_BYTES, Appetite
from circe.flow import Flow
from circe.outputs import Output
from runtime.graph import Task, TaskGraph
from runtime.item import Frame, Part

GRAPH = TaskGraph({"work": Task(name="work", script="work.py", children=("home",))}, ("work",))


@given(st.lists(st.integers(0, 2 * AT_WORK_BYTES), min_size=1, max_size=30), st.integers(0, 300))
def test_what_is_at_work_fits_as_long_as_it_gives_no_more_than_before(sizes: list[int], at_work: int) -> None:
    appetite = Appetite()
    for size in sizes:
        appetite.gave([size])
    assert appetite.jobs(0) >= 1
    more = appetite.jobs(at_work)
    if at_work + more > 1:
        assert more <= 0 or (at_work + more) * sizes[-1] <= AT_WORK_BYTES


def test_small_outputs_are_no_bound_for_long() -> None:
    appetite = Appetite()
    for _ in range(300):
        appetite.gave([100])
    assert appetite.jobs(0) > 1000


def test_nothing_begins_while_too_much_is_not_stored() -> None:
    flow = Flow(graph=GRAPH, task="work", incarnation="work-1", draw=lambda: 1)
    parts = [Part(root, 1, root, f"r-{root}", b"x") for root in range(1, 6)]
    flow.frame(Frame("gateway-1", 1, 0, 0, "home", "gateway-1", parts))
    jobs = flow.take(2)
    stored = [result for job in jobs for result in flow.done(job, [Output(bytes(UNSTORED_BYTES // 2))])]
    assert flow.take(1) == []
    flow.stored(stored[0])
    assert len(flow.take(1)) == 1
    flow.refused(stored[1], "id already used by another input")
    assert len(flow.take(1)) == 1
