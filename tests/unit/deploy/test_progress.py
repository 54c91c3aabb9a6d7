"""Progress in words, and not too often where lines stay."""

from __future__ import annotations

from deploy import progress
from deploy.progress import PLAIN_EVERY_S, Plain
from deploy.report import Figures
from deploy.watch import Picture
from runtime import subjects
from runtime.app import App
from runtime.graph import Task, TaskGraph
from runtime.mapping import TaskMapping
from runtime.records import Beat

TASKS = {"a": Task(name="a", script="a.py", children=("home",))}
APP = App(name="demo", digest="d1", graph=TaskGraph(TASKS, ("a",)))


def test_plain_lines_come_with_a_new_phase_or_now_and_then() -> None:
    now_s, said = 0.0, []
    plain = Plain(lambda: now_s, said.append)
    for now_s, phase, text in (  # noqa: B007 - the clock reads it
        (0.0, "profiling", "0/2"),
        (0.1, "profiling", "1/2"),
        (0.2, "starting", "0/1"),
        (0.3, "starting", "1/1"),
        (0.2 + PLAIN_EVERY_S, "starting", "1/1"),
        (9.0, "starting", "1/1"),
    ):
        plain.show(phase, text)
    assert said == ["0/2", "0/1", "1/1"]


def test_what_is_waited_for_before_anything_flows() -> None:
    picture = Picture("demo")
    assert progress.preparing(picture, APP, 3, measures=True) == ("profiling", "profiling: 0/1 tasks, 0/6 links")
    phase, text = progress.preparing(picture, APP, 3, measures=False)
    assert (phase, text) == ("starting", "starting: 0/1 workers ready; waiting for a")
    said = "the new version has no queue for b: waiting until nothing is in the old one's"
    beat = Beat(app="demo", task=subjects.DISPATCHER, incarnation="d-1", node="home", state="waiting", message=said)
    picture.beats["d-1"] = beat
    assert progress.preparing(picture, APP, 3, measures=False)[1] == f"starting: 0/1 workers ready; {said}"


def test_the_mapping_in_one_line() -> None:
    picture = Picture("demo")
    picture.mapping = TaskMapping(assignment={"a": "node1"}, algorithm="heft", makespan_s=0.002)
    assert progress.placed(picture) == "mapping (heft): a on node1; predicted makespan 2 ms"


def test_what_flows() -> None:
    figures = Figures(started_s=0.0, stored=1_000, ended=900, written=899)
    line = progress.flowing(figures, 450.0, is_full=True, trouble="")
    assert line == "1,000 in, 900 ended, 899 results, 450 items/s; the ingress is full, waiting"
    line = progress.flowing(figures, 450.0, is_full=True, trouble="", unburied=12)
    assert line.endswith("450 items/s; no room for 12 dead letters (limits.dead_bytes), waiting")
    assert "no answer" in progress.flowing(figures, 0.0, is_full=False, trouble="no answer")
    assert progress.flowing(Figures(started_s=0.0), 0.0, is_full=False, trouble="") == "waiting for inputs"
