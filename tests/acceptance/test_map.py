"""`jupiter map --problem`: a mapping without anything running."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.command import Place
from tests.unit.mapper.problems import NODES, TOPCUOGLU_BYTES, TOPCUOGLU_EXEC_S, form


@pytest.fixture
def problem(place: Place) -> str:
    """The published problem on which HEFT finishes in 80, as a file."""
    rows = {f"T{number}": dict(zip(NODES, row, strict=True)) for number, row in enumerate(TOPCUOGLU_EXEC_S, start=1)}
    edges = [(f"T{source}", f"T{target}", size) for (source, target), size in TOPCUOGLU_BYTES.items()]
    (place.folder / "problem.json").write_text(json.dumps(form(rows, edges)))
    return "problem.json"


def test_heft_finishes_the_published_problem_in_80(place: Place, problem: str) -> None:
    ran = place.run("map", "--problem", problem, "--mapper", "heft", "--objective", "makespan", "--json")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert set(found) == {"mapper", "objective", "mapping", "makespan_s", "period_s", "schedule"}
    assert found["makespan_s"] == 80
    assert found["schedule"]["T10"] == {"node": found["mapping"]["T10"], "start_s": 73, "finish_s": 80}
    table = place.run("map", "--problem", problem, "--mapper", "heft", "--objective", "makespan")
    assert "makespan 80 s" in table.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--what-if", "link n>m gone"), 0, "what if: link n>m gone"),
        (("--what-if", "node m gone"), 0, "what if: node m gone"),
        (("--what-if", "node n cores=2"), 0, "what if: node n cores=2"),
        (("--limit", "-1"), 2, "Invalid value for '--limit'"),
        (("--moves", "-1"), 2, "Invalid value for '--moves'"),
    ],
)
def test_what_a_file_leaves_out_can_be_changed(
    place: Place, arguments: tuple[str, ...], status: int, words: str
) -> None:
    form = {"tasks": ["a"], "nodes": ["n", "m"], "exec_s": {"a": {"n": 1, "m": None}}, "pins": None, "cores": None}
    (place.folder / "least.json").write_text(json.dumps(form))
    ran = place.run("map", "--problem", "least.json", *arguments)
    assert ran.returncode == status, ran.stderr
    assert words in ran.stdout + ran.stderr


def test_brackets_without_end_are_no_problem(place: Place) -> None:
    (place.folder / "deep.json").write_text("[" * 200_000)
    ran = place.run("map", "--problem", "deep.json")
    assert ran.returncode == 2
    assert "deep.json is not JSON" in ran.stderr


def test_a_problem_with_faults_shows_all_of_them(place: Place) -> None:
    (place.folder / "bad.json").write_text('{"tasks": ["a", "b"], "nodes": ["n"], "exec_s": {"a": {"n": -1}}}')
    ran = place.run("map", "--problem", "bad.json")
    assert ran.returncode == 2
    assert "exec_s.a.n" in ran.stderr or "exec_s" in ran.stderr
    assert "Traceback" not in ran.stderr
