"""Records that cannot be read, or lie where they do not belong: refused, and what was known before holds."""

from __future__ import annotations

import pytest

from mapper.records import Records
from runtime import codec, subjects
from runtime.app import App
from runtime.graph import Task, TaskGraph
from runtime.mapping import TaskMapping
from runtime.message import Record
from runtime.network import HOME
from runtime.records import READY, Beat
from runtime.refusals import refused

APP = App(name="x", graph=TaskGraph({"a": Task(name="a", script="a.py", children=(HOME,))}, ("a",)))
MAPPING = TaskMapping(assignment={"a": "n"})


def known() -> Records:
    made = Records()
    for subject, value in ((subjects.app("x"), APP), (subjects.mapping("x"), MAPPING)):
        payload = codec.encode_record(value.to_record())
        assert made.take(Record(subject, payload, 1, 0.0), 0.0, 0.0)
    return made


@pytest.mark.parametrize(
    ("subject", "payload"),
    [
        (subjects.app("x"), b"nonsense"),
        (subjects.app("x"), codec.encode_record({**APP.to_record(), "name": "y"})),
        (subjects.mapping("x"), b'{"a": 1}'),
        (subjects.node_profile("n"), b"{}"),
        (subjects.status("x", "a", "a-1"), b"[]"),
    ],
)
def test_what_cannot_be_read_is_no_absence(subject: str, payload: bytes) -> None:
    made, before = known(), refused()
    assert not made.take(Record(subject, payload, 2, 0.0), 0.0, 0.0)
    assert refused() == before + 1
    assert (made.apps, made.mappings) == ({"x": APP}, {"x": MAPPING})


def test_a_beat_of_long_ago_tells_of_nobody_who_is_busy() -> None:
    made = known()
    beat = Beat(app="y", task="a", incarnation="a-1", node="n", state=READY, rates={"busy_ratio": 1.0})
    record = Record(subjects.status("y", "a", "a-1"), codec.encode_record(beat.to_record()), 2, 0.0)
    made.take(record, 100.0, 60.0)
    assert made.used_cores("x", 100.0) == {}
    made.take(record, 100.0, 1.0)
    assert made.used_cores("x", 100.0) == {"n": 1.0}


def test_what_is_gone_is_gone() -> None:
    made = known()
    for subject in (subjects.app("x"), subjects.mapping("x")):
        made.take(Record(subject, None, 2, 0.0), 0.0, 0.0)
    assert (made.apps, made.mappings) == ({}, {})
