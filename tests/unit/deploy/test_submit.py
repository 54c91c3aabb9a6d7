"""Applications and mappings as they are read before anything is sent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.scaffold import create
from deploy.submit import FAILURES_AT_MOST, hopeless, prepare, read_mapping
from deploy.watch import Picture
from runtime import bundle
from runtime.errors import AppError, UsageError
from runtime.records import Beat

EXAMPLE = Path(__file__).parents[3] / "app_specific_files" / "example"
TASKS = ("split", "count", "length", "merge", "summary")


def test_what_was_asked_for_is_part_of_the_code_that_is_sent() -> None:
    plain, other = prepare(EXAMPLE), prepare(EXAMPLE, "throughput", "makespan")
    assert (other.app.mapper, other.app.objective) == ("throughput", "makespan")
    assert plain.app.digest != other.app.digest
    assert plain.app.digest == prepare(EXAMPLE).app.digest == plain.bundle.digest


def test_an_application_that_is_none() -> None:
    with pytest.raises(AppError, match="does not exist"):
        prepare(EXAMPLE / "nothing")


def test_an_input_file_stands_in_for_samples_that_are_not_there(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    create(bare)
    (bare / "sample_input" / "lines.txt").unlink()
    config = bare / "app_config.yaml"
    config.write_text("\n".join(line for line in config.read_text().splitlines() if "sample_input:" not in line))
    source = tmp_path / "in.txt"
    source.write_text("".join(f"line {number}\n" for number in range(100)))
    without, prepared = prepare(bare), prepare(bare, source=str(source))
    assert without.bundle.payload != prepared.bundle.payload
    unpacked = bundle.unpack(prepared.bundle.payload, prepared.app.digest, tmp_path / "cache")
    assert (unpacked.folder / "sample_input" / "first_items").read_text().splitlines()[-1] == "line 19"
    assert prepare(EXAMPLE, source=str(source)).app.digest == prepare(EXAMPLE).app.digest


def written(tmp_path: Path, value: object) -> Path:
    path = tmp_path / "mapping.json"
    path.write_text(json.dumps(value))
    return path


def test_a_mapping_as_jupiter_writes_it_and_as_we_do(tmp_path: Path) -> None:
    app = prepare(EXAMPLE).app
    places = dict.fromkeys(TASKS, "node1")
    for value in (places, {**places, "home": "home"}, {"mapping": places, "digest": "old", "algorithm": "heft"}):
        mapping = read_mapping(written(tmp_path, value), app, ["home", "node1"])
        assert (mapping.assignment, mapping.digest, mapping.algorithm) == (places, "", "given")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"split": "node1"}, "names no node for count, length, merge, summary"),
        (dict.fromkeys(TASKS, "node9"), "puts split on node9, but the nodes are home, node1"),
        ({**dict.fromkeys(TASKS, "node1"), "splt": "node1"}, "maps splt, but example has no such task"),
        ({"split": 1}, "is no mapping"),
        ([1], "is no mapping"),
    ],
)
def test_a_mapping_that_cannot_be_obeyed(tmp_path: Path, value: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_mapping(written(tmp_path, value), prepare(EXAMPLE).app, ["home", "node1"])


def test_a_task_that_never_starts_is_not_waited_for() -> None:
    app = prepare(EXAMPLE).app
    picture = Picture("example")
    for number in range(FAILURES_AT_MOST):
        assert hopeless(picture, app) == ""
        name = f"merge-{number}"
        picture.failures["merge", name] = Beat(
            app="example",
            task="merge",
            incarnation=name,
            node="node1",
            state="failed",
            digest=app.digest,
            message="no x",
        )
    assert hopeless(picture, app) == "task merge cannot start on node1: no x"
    assert hopeless(picture, app.with_digest("newer")) == ""


def test_what_the_mapper_said_of_the_version_before_does_not_end_a_submit() -> None:
    app, picture = prepare(EXAMPLE).app, Picture("example")
    picture.beats["mapper-1"] = Beat(
        app="example",
        task="mapper",
        incarnation="mapper-1",
        node="home",
        state="waiting",
        digest="older",
        message="cannot map: no x",
    )
    assert hopeless(picture, app) == ""
    assert "no x" in hopeless(picture, app.with_digest("older"))
