"""What a run was, from what was seen and what was said."""

from __future__ import annotations

import json
from dataclasses import replace

from deploy.report import Figures, build, counted, summary
from deploy.watch import Picture
from runtime import codec, subjects
from runtime.app import App
from runtime.graph import Task, TaskGraph
from runtime.mapping import TaskMapping
from runtime.message import Record
from runtime.records import GONE, READY, Beat, EdgeRecord
from runtime.units import seconds

APP = App(
    name="demo",
    digest="d1",
    graph=TaskGraph(
        {"a": Task(name="a", script="a.py", children=("b",)), "b": Task(name="b", script="b.py", children=("home",))},
        ("a",),
    ),
)


def record(subject: str, value: Beat | EdgeRecord | TaskMapping, sequence: int = 1) -> Record:
    return Record(subject, codec.encode_record(value.to_record()), sequence, 0.0)


def beat(task: str, incarnation: str, state: str = READY, **more: object) -> Record:
    said = Beat(app="demo", task=task, incarnation=incarnation, node="n1", state=state, digest="d1", **more)  # type: ignore[arg-type] # Beat's own fields
    return record(subjects.status("demo", task, incarnation), said)


def picture() -> Picture:
    found = Picture("demo")
    edges = EdgeRecord(
        app="demo",
        revision=3,
        digest="d1",
        workers={"a": ("a-2",), "b": ("b-1",)},
        heads={"home": "gateway-1"},
        nodes={"a-2": "n1", "b-1": "n2", "gateway-1": "home"},
    )
    mapping = TaskMapping(assignment={"a": "n1", "b": "n2"}, algorithm="heft", makespan_s=0.5, period_s=0.25, why="so")
    found.take(record(subjects.edges("demo"), edges))
    found.take(record(subjects.mapping("demo"), mapping, 12))
    found.take(beat("a", "a-1", counts={"in": 3, "errors": 1}))
    found.take(beat("a", "a-1", GONE))
    found.take(beat("a", "a-2", counts={"in": 4, "out": 4, "dropped.repeated": 2}, rates={"in_per_s": 8.0}))
    found.take(beat("b", "b-1", counts={"in": 4, "results": 4}, latencies_s={"p50": 0.1, "p99": 0.2}))
    found.take(beat("home", "gateway-1", counts={"in": 7, "resent": 2}, latencies_s={"p50": 0.6, "p99": 0.9}))
    return found


def figures() -> Figures:
    return Figures(
        started_s=100.0, first_input_s=102.0, first_result_s=102.5, last_end_s=104.0, stored=4, ended=4, written=4
    )


def test_counts_of_incarnations_that_are_gone_are_not_lost() -> None:
    report = build(APP, picture(), figures(), [], is_once=False)
    assert report["tasks"]["a"]["in"] == 7
    assert report["tasks"]["a"]["errors"] == 1
    assert report["tasks"]["a"]["other"] == {"dropped.repeated": 2}
    assert report["tasks"]["a"]["node"] == "n1"
    assert report["tasks"]["b"]["p99_s"] == 0.2
    assert report["items"]["resent"] == 2


def test_prediction_stands_beside_measurement() -> None:
    report = build(APP, picture(), figures(), [], is_once=True)
    assert report["predicted"] == {"makespan_s": 0.5, "period_s": 0.25}
    assert report["measured"]["makespan_s"] == 0.6
    assert report["measured"]["period_s"] == 0.5
    assert report["measured"]["items_per_s"] == 2.0
    assert report["measured"]["first_result_s"] == 2.5
    assert (report["algorithm"], report["epoch"], report["mapping"]) == ("heft", 12, {"a": "n1", "b": "n2"})
    assert (
        "makespan: predicted 500 ms, measured 600 ms for the first item, from sending it to reading its result"
        in summary(report)
    )


def test_a_run_in_which_nothing_happened_has_a_report() -> None:
    report = build(APP, Picture("demo"), Figures(started_s=0.0), [], is_once=False)
    assert report["measured"]["items_per_s"] is None
    assert json.loads(json.dumps(report)) == report
    assert summary(report) == ["0 inputs, 0 results"]
    assert report["stopped"] is False


def test_rates_are_of_the_whole_run_and_of_all_who_ran_the_task() -> None:
    found = picture()
    found.take(beat("a", "a-2", counts={"in": 5, "out": 2, "busy_ms": 500}, rates={"in_per_s": 1000.0}))
    report = build(APP, found, figures(), [], is_once=False)
    assert report["tasks"]["a"]["rates"] == {
        "in_per_s": 4.0,
        "out_per_s": 1.0,
        "results_per_s": 0.0,
        "busy_ratio": 0.25,
    }
    assert "busy_ms" not in report["tasks"]["a"]["other"]


def test_one_is_one() -> None:
    assert [counted(count, "input") for count in (0, 1, 2, 1_000)] == [
        "0 inputs",
        "1 input",
        "2 inputs",
        "1,000 inputs",
    ]


def test_dead_letters_are_loud() -> None:
    seen = figures()
    seen.dead_letters = 1_200
    letter = {"task": "a", "seq": 7, "error": "ValueError: no"}
    lines = summary(build(APP, picture(), seen, [letter], is_once=False))
    assert any("1,200 DEAD LETTERS" in line for line in lines)
    assert lines[-1] == "  task a, input 7: ValueError: no"


def test_durations_for_people() -> None:
    assert [seconds(value) for value in (None, 12.3456, 0.5, 0.0000123)] == ["-", "12.3 s", "500 ms", "12.3 µs"]


def test_a_failed_worker_is_remembered_when_it_is_gone_and_a_profiler_is_not() -> None:
    found = Picture("demo")
    for name in ("a-9", "profiler-n1"):
        found.take(beat("a", name, "failed", message="no module"))
        found.take(beat("a", name, GONE))
    assert list(found.failures) == [("a", "a-9")]


def test_records_that_cannot_be_read_are_dropped() -> None:
    found = picture()
    for payload in (b"{}", b"[]", b"\xff", b'{"app": 1}'):
        found.take(Record(subjects.edges("demo"), payload, 99, 0.0))
        found.take(Record(subjects.status("demo", "a", "a-2"), payload, 99, 0.0))
    assert found.is_in_place(APP)


def test_in_place_means_this_version_with_every_task_and_the_gateway() -> None:
    assert picture().is_in_place(APP)
    assert not picture().is_in_place(APP.with_digest("d2"))
    assert not Picture("demo").is_in_place(APP)


def test_the_gateway_does_not_see_behind_a_queue() -> None:
    """It said how long inputs took to the queue, as if that were the end."""
    tasks = {**APP.graph.tasks, "b": replace(APP.graph.tasks["b"], edge="queued")}
    queued = replace(APP, graph=TaskGraph(tasks, APP.graph.entries))
    report = build(queued, picture(), figures(), [], is_once=False)
    assert report["measured"]["p50_s"] is None
    assert not any("end to end" in line for line in summary(report))
    assert build(queued, picture(), figures(), [], is_once=True)["measured"]["makespan_s"] == 2.0


def test_a_short_run_does_not_contradict_the_predicted_period() -> None:
    short = replace(figures(), last_end_s=102.006)
    lines = summary(build(APP, picture(), short, [], is_once=False))
    assert "period: predicted 250 ms, the run was too short to measure it" in lines
    assert "period: predicted 250 ms, measured 500 ms" in summary(build(APP, picture(), figures(), [], is_once=False))
