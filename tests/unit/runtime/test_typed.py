"""Records: what is written is read, and nothing is read that could fail later."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import codec
from runtime.app import App
from runtime.graph import Task, TaskGraph
from runtime.mapping import TaskMapping
from runtime.profiles import ExecutionProfile, LinkEstimate, LinkRow, NodeProfile
from runtime.records import Beat, DesiredWorker, EdgeRecord

LINK = LinkEstimate(
    latency_s=0.1,
    bandwidth_bytes_per_s=1e6,
    bandwidth_low_bytes_per_s=1e5,
    bandwidth_high_bytes_per_s=1e7,
    rtt_min_s=0.2,
    rtt_p90_s=0.3,
    samples=5,
)
RECORDS: list[Any] = [
    Beat(
        app="a", task="t", incarnation="t-1", node="n.1", state="ready", holds=(("g-1", 1, 1),), counts={"in": 1},
        rates={"in_per_s": 1.5},
    ),
    EdgeRecord(app="a", revision=1, workers={"t": ("t-1", "t-2")}, heads={"home": "g-1"}, segments={"home": ("t",)}),
    DesiredWorker(app="a", task="t", node="n", digest="d", epoch=1),
    NodeProfile(
        node="n", cores=2, memory_bytes=1, memory_available_bytes=1, busy_cores=0.5, load_ratio=0.1, speed_score=1.0,
        agent="agent-1", host="h",
    ),
    LinkRow(source="n", links={"m": LINK}),
    ExecutionProfile(
        app="a", task="t", node="n", digest="d", median_s=1.0, min_s=1.0, spread_s=0.0, cold_s=1.0, cpu_s=1.0, runs=3,
        output_bytes={"home": 5.0},
    ),
    TaskMapping(assignment={"t": "n"}, algorithm="auto", period_s=1.0),
    App(name="a", graph=TaskGraph({"t": Task(name="t", script="t.py", children=("home",), timeout_s=1.0)}, ("t",))),
]  # fmt: skip
ABSURD = (
    math.nan, math.inf, -math.inf, 2**70, -(2**70), 1e300, -1, -0.5, "", "a b", "\r\n", "x" * 100_000, None, True, [],
    {}, [[]], {"": {}}, {"a": math.nan}, [None], ["a", 1], 5, "5",
)  # fmt: skip
"""What may stand where something else should."""
WIDE = b'{"a": [' + b"[]," * 2**18 + b"1]}"


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_what_is_written_is_read(record: Any) -> None:
    assert type(record).from_record(codec.decode_record(codec.encode_record(record.to_record()))) == record


def places(value: Any) -> list[tuple[Any, ...]]:
    """The ways to every value inside."""
    inside: Any = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    return [(), *((key, *rest) for key, found in inside for rest in places(found))]


def changed(value: Any, way: tuple[Any, ...], to: object) -> Any:
    if not way:
        return to
    copy = dict(value) if isinstance(value, Mapping) else list(value)
    copy[way[0]] = changed(copy[way[0]], way[1:], to)
    return copy


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_an_absurd_value_anywhere_is_refused_or_harmless(record: Any) -> None:
    read: Callable[[Any], Any] = type(record).from_record
    plain = json.loads(codec.encode_record(record.to_record()))
    refused = 0
    for way in places(plain)[1:]:
        for absurd in ABSURD:
            try:
                found = read(changed(plain, way, absurd))
            except (ValueError, KeyError, TypeError):
                refused += 1
                continue
            # What is taken can be told on, sorted, and reckoned with.
            assert read(json.loads(codec.encode_record(found.to_record()))) == found
            assert all(math.isfinite(number) and abs(number) < 2**62 for number in numbers(found.to_record()))
    assert refused > 10 * len(plain)


def numbers(value: Any) -> list[float]:
    if isinstance(value, Mapping):
        return [number for found in value.values() for number in numbers(found)]
    if isinstance(value, (list, tuple)):
        return [number for found in value for number in numbers(found)]
    return [value] if isinstance(value, (int, float)) else []


@pytest.mark.parametrize("kind", [type(record) for record in RECORDS])
@settings(max_examples=30)
@given(
    record=st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=8,
        ),
        max_size=6,
    )
)
def test_any_object_is_refused_with_what_its_readers_expect(kind: Any, record: dict[str, Any]) -> None:
    try:
        kind.from_record(record)
    except (ValueError, KeyError, TypeError):
        return
    assert kind is TaskMapping  # {"task": "node"} is one


@pytest.mark.parametrize(
    "payload",
    [
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b"[1]",
        b"\xff",
        b"",
        b"[" * 100_000,
        b'{"a": [' + b"[]," * (1 << 18) + b"1]}",
    ],
    ids=["nan", "infinity", "a list", "no text", "nothing", "deep", "wide"],
)
def test_what_is_no_record_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        codec.decode_record(payload)


def test_a_graph_that_is_none_is_no_application() -> None:
    app = RECORDS[-1].to_record()
    for tasks in (
        [{"name": "t", "script": "t.py", "children": ["t"]}],
        [{"name": "t", "script": "t.py", "children": ["u"]}],
        [{"name": "t.u", "script": "t.py"}],
        [{"name": f"t{number}", "script": "t.py"} for number in range(5000)],
        [{"name": "t", "script": "t.py", "replicas": 0}],
        [{"name": "t", "script": "t.py", "replicas": 10_000}],
    ):
        with pytest.raises((ValueError, KeyError)):
            App.from_record({**app, "tasks": tasks, "entries": [tasks[0]["name"]]})
