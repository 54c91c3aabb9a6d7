"""Where a queue may stand, and where it could go instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.runtime.app_folder import PROCESS, found, task, tasks

DAG = "application.tasks.dag_tasks"
SCRIPTS = dict.fromkeys("abcdefjkq", PROCESS)
QUEUED = ", edge: queued"
FAULTS = {
    "queue of an entry task": (
        task("a", more=QUEUED),
        f"5 {DAG}[0].edge",
        "task 'a' takes inputs from outside, which wait in the ingress, a queue already; leave edge out",
    ),
    "queue of a join": (
        task("a", "f") + task("f", "b, c") + task("b", "j") + task("c", "j") + task("j", "e", more=QUEUED) + task("e"),
        f"9 {DAG}[4].edge",
        "parts meet in task 'j' by the input that they come from, which a queue before it ends; "
        "put the queue before the fork, on task 'f', or behind the join, on task 'e'",
    ),
    "queue in one branch": (
        task("a", "b, c") + task("b", "j", more=QUEUED) + task("c", "j") + task("j"),
        f"6 {DAG}[1].edge",
        "join 'j' takes parts that come through the queue of task 'b' and parts that do not, so they never meet; "
        "put the queue elsewhere, or leave it out: before the fork the ingress is one",
    ),
    "queue in one of two branches below a queue": (
        task("a", "q")
        + task("q", "b, c", more=QUEUED)
        + task("b", "d")
        + task("c", "j")
        + task("d", "j", more=QUEUED)
        + task("j", "k")
        + task("k"),
        f"9 {DAG}[4].edge",
        "join 'j' takes parts that come through the queue of task 'd' and parts that do not, so they never meet; "
        "put the queue behind the join, on task 'k'",
    ),
}


@pytest.mark.parametrize("text, place, message", FAULTS.values(), ids=FAULTS)
def test_a_queue_that_parts_of_a_join_do_not_all_pass(tmp_path: Path, text: str, place: str, message: str) -> None:
    assert found(tmp_path, tasks(text), **SCRIPTS) == [(place, message)]


def test_a_source_feeds_no_queue(tmp_path: Path) -> None:
    text = tasks(task("a", "b") + task("b", more=QUEUED))
    text += "    nondag_tasks:\n      - {name: s, base_script: s.py, k8s_host: h, children: [b]}\n"
    ((place, message),) = found(tmp_path, text, s="def run(ctx):\n    pass\n")
    assert place == f"6 {DAG}[1].edge"
    assert message.startswith("task 'b' takes inputs from outside")


@pytest.mark.parametrize(
    "text",
    [
        task("a", "b") + task("b", more=QUEUED),
        task("a", "b, c") + task("b", "d") + task("c", "d") + task("d", "e") + task("e", "f", QUEUED) + task("f"),
        task("a", "q") + task("q", "b, c", QUEUED) + task("b", "j") + task("c", "j") + task("j"),
        task("a", "b, c") + task("b", "j", QUEUED) + task("c", "j", QUEUED) + task("j", more=", join: each"),
        task("a", "b, c") + task("b", "q") + task("c", "q") + task("q", more=", join: each, edge: queued"),
        task("a", "b, c") + task("b", more=QUEUED) + task("c"),
    ],
    ids=["chain", "behind a join", "before a fork", "each of two", "each in one", "aside"],
)
def test_a_queue_where_no_join_spans_it(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, tasks(text), **SCRIPTS) == []
