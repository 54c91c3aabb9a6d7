"""How busy the nodes are: what workers say, what mappings foretold, and nothing of those who have died."""

from __future__ import annotations

import pytest

from mapper.usage import LEASE_S, Activity
from runtime.mapping import TaskMapping
from runtime.records import GONE, READY, Beat
from tests.unit.mapper.known import NOW_S


def beat(app: str, task: str, node: str, busy_ratio: float, **optional: str) -> Beat:
    values = {"state": READY, "incarnation": f"{task}-1"} | optional
    return Beat(app=app, task=task, node=node, rates={"busy_ratio": busy_ratio}, **values)


def test_usage_is_what_workers_say_and_else_what_was_foretold() -> None:
    activity = Activity()
    mappings = {
        "one": TaskMapping(assignment={"a": "n1", "b": "n2"}, period_s=2.0, task_s={"a": 1.0, "b": 5.0}),
        "two": TaskMapping(assignment={"c": "n1"}),
    }
    assert activity.used_cores(mappings, "two", NOW_S) == {"n1": 0.5, "n2": 1.0}
    activity.heard(beat("one", "a", "n1", 0.2), NOW_S)
    activity.heard(beat("two", "c", "n1", 0.4), NOW_S)
    assert activity.used_cores(mappings, "two", NOW_S) == {"n1": 0.2, "n2": 1.0}
    assert activity.used_cores(mappings, "one", NOW_S) == {"n1": 0.4}
    activity.heard(beat("two", "c", "n1", 0.0), NOW_S)
    assert activity.used_cores(mappings, "one", NOW_S)["n1"] == pytest.approx(0.36)
    activity.heard(beat("two", "c", "n1", 0.0, state=GONE), NOW_S)
    assert activity.used_cores(mappings, "one", NOW_S) == {}


def test_who_dies_without_a_word_is_busy_no_longer_than_its_lease() -> None:
    activity = Activity()
    mappings = {"one": TaskMapping(assignment={"a": "n1"}, period_s=2.0, task_s={"a": 1.0})}
    activity.heard(beat("one", "a", "n1", 0.9), NOW_S)
    activity.heard(beat("gone", "x", "n1", 0.9), NOW_S)
    assert activity.used_cores(mappings, "two", NOW_S + LEASE_S) == {"n1": pytest.approx(1.8)}
    # A task without a worker will have one again; an application that is not mapped will not.
    assert activity.used_cores(mappings, "two", NOW_S + LEASE_S + 0.1) == {"n1": 0.5}
    assert activity.used_cores({}, "two", NOW_S) == {}
