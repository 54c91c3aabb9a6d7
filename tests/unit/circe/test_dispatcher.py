"""The dispatcher when the bus fails, and when it has only just begun to listen."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from circe.dispatcher import Dispatcher
from circe.layout import RUN_KEY
from runtime import codec, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.bus_errors import ApiError, StoreTimeout
from runtime.graph import Task, TaskGraph
from runtime.mapping import TaskMapping
from runtime.message import Record
from runtime.network import HOME
from runtime.records import GONE, READY, Beat, EdgeRecord

GRAPH = TaskGraph({"a": Task(name="a", script="a.py", children=(HOME,))}, ("a",))


class FailingBus:
    """Takes records, but as often as `failures` says it does not, and makes no streams for `refused`."""

    def __init__(self, failures: int = 0, refused: str = "nothing") -> None:
        self.failures = failures
        self.spared = 0
        """Calls that succeed before the failures begin."""
        self.refused = refused
        self.records: dict[str, dict[str, Any]] = {}
        self.deleted: list[str] = []
        self.streams: list[str] = []
        self.said: list[str] = []

    async def ensure_stream(self, spec: Any) -> Any:
        if self.refused in spec.name:
            raise ApiError("STREAM.CREATE", 10047, "insufficient storage resources available")
        self.streams.append(spec.name)
        return SimpleNamespace(metadata={RUN_KEY: "r"})

    async def stream_names(self, subject: str) -> list[str]:
        return list(self.streams) if subject == subjects.everything("x") else []

    async def delete_stream(self, name: str) -> None:
        self._may_fail()
        self.streams = [stream for stream in self.streams if stream != name]

    async def purge(self, stream: str, subject: str) -> None:
        pass

    async def delete_record(self, stream: str, subject: str) -> int:
        self._may_fail()
        self.deleted.append(subject)
        return 1

    async def leader_last_message(self, stream: str, subject: str) -> Record | None:
        return record(subject) if subject in self.records else None

    def _may_fail(self) -> None:
        if self.spared:
            self.spared -= 1
        elif self.failures:
            self.failures -= 1
            raise StoreTimeout("no acknowledgement in time")

    connections = 1

    def publish(self, subject: str, payload: bytes) -> bool:
        self.said.append(Beat.from_record(codec.decode_record(payload)).message)
        return True

    async def put_record(self, subject: str, payload: bytes) -> int:
        self._may_fail()
        self.records[subject] = codec.decode_record(payload)
        return 1


def dispatcher(bus: FailingBus, *names: str) -> Dispatcher:
    made = Dispatcher(cast(Bus, bus), "dispatcher-1")
    for name in names:
        app = App(name=name, graph=GRAPH, digest="d")
        made._on_app(record(subjects.app(name)), app)
        mapping = TaskMapping(assignment={"a": "node1"}, algorithm="heft")
        made._on_mapping(record(subjects.mapping(name)), mapping)
    return made


def record(subject: str) -> Record:
    return Record(subject, b"{}", 1, 0.0)


def beat(incarnation: str, task: str, state: str = READY) -> tuple[Record, Beat]:
    said = Beat(app="x", task=task, incarnation=incarnation, node="node1", state=state, digest="d")
    return record(subjects.status("x", task, incarnation)), said


async def test_what_the_bus_did_not_take_is_put_again() -> None:
    bus = FailingBus(failures=2)
    made = dispatcher(bus, "x")
    for _ in range(3):
        await made._reconcile()
    assert bus.records[subjects.worker("node1", "x", "a")]["digest"] == "d"
    assert bus.records[subjects.edges("x")]["revision"] == 1


async def test_an_application_that_cannot_have_its_streams_is_no_trouble_to_the_others() -> None:
    bus = FailingBus(refused="-x-")
    await dispatcher(bus, "x", "y")._reconcile()
    assert subjects.edges("x") not in bus.records
    assert subjects.edges("y") in bus.records


async def test_those_listed_are_not_left_out_before_they_had_time_to_be_heard() -> None:
    bus = FailingBus()
    made = dispatcher(bus, "x")
    listed = EdgeRecord(
        app="x", revision=7, run="r", digest="d", entries=("a",), workers={"a": ("a-1",)}, heads={"home": "gateway-1"}
    )
    made._on_edges(record(subjects.edges("x")), listed)
    made._listened_s = made._loop.time() + 60.0
    await made._reconcile()
    made._on_beat(*beat("gateway-1", HOME))
    await made._reconcile()
    assert bus.records == {}
    made._on_beat(*beat("a-1", "a", GONE))
    await made._reconcile()
    edges = bus.records[subjects.edges("x")]
    assert (edges["revision"], list(edges["workers"]["a"]), edges["heads"]) == (8, [], {"home": "gateway-1"})


async def test_a_record_that_cannot_be_read_is_not_a_deleted_application() -> None:
    bus = FailingBus()
    made = dispatcher(bus)
    made._on_mapping(record(subjects.mapping("x")), TaskMapping(assignment={"a": "node1"}))
    made._on_unreadable_app(record(subjects.app("x")), ValueError("noise"))
    await made._reconcile()  # what it removes, this bus could not remove
    made._on_app(record(subjects.app("x")), App(name="y", graph=GRAPH, digest="d"))
    await made._reconcile()
    assert bus.records == {}


async def test_a_mapping_that_is_heard_before_its_application_stays() -> None:
    bus = FailingBus()
    bus.records[subjects.app("x")] = {}
    made = dispatcher(bus)
    made._on_mapping(record(subjects.mapping("x")), TaskMapping(assignment={"a": "node1"}))
    await made._reconcile()
    assert bus.deleted == []
    made._on_app(record(subjects.app("x")), App(name="x", graph=GRAPH, digest="d"))
    await made._reconcile()
    assert bus.records[subjects.worker("node1", "x", "a")]["node"] == "node1"


@pytest.mark.parametrize("spared", range(6))
async def test_a_deleted_application_leaves_nothing_also_when_the_bus_fails(spared: int) -> None:
    bus = FailingBus()
    made = dispatcher(bus, "x")
    await made._reconcile()
    bus.streams = ["jupiter-x-ingress", "jupiter-x-egress"]
    made._on_app(record(subjects.app("x")), None)
    bus.spared, bus.failures = spared, 1
    for _ in range(2):
        await made._reconcile()
    assert bus.streams == []
    assert {subjects.worker("node1", "x", "a"), subjects.edges("x"), subjects.mapping("x")} <= set(bus.deleted)


async def test_an_application_that_comes_back_while_it_is_removed_has_its_streams() -> None:
    bus = FailingBus()
    made = dispatcher(bus, "x")
    await made._reconcile()
    made._on_app(record(subjects.app("x")), None)
    bus.spared, bus.failures = 3, 1
    await made._reconcile()
    assert "jupiter-x-ingress" not in bus.streams
    assert "jupiter-x-egress" in bus.streams
    bus.records[subjects.app("x")] = {}
    made._on_app(record(subjects.app("x")), App(name="x", graph=GRAPH, digest="d"))
    await made._reconcile()
    assert "jupiter-x-ingress" in bus.streams


async def test_what_somebody_wrote_over_is_written_again() -> None:
    bus = FailingBus()
    made = dispatcher(bus, "x")
    await made._reconcile()
    before = dict(bus.records)
    for subject in (subjects.edges("x"), subjects.worker("node1", "x", "a")):
        bus.records[subject] = {"spoiled": True}
        made._on_spoiled(record(subject), ValueError("noise"))
    await made._reconcile()
    assert bus.records == before


async def test_an_application_that_cannot_be_served_is_no_trouble_to_the_others() -> None:
    bus = FailingBus()
    made = dispatcher(bus, "x", "y")
    made._mappings["x"] = ("nonsense", 1)  # type: ignore[assignment] # something that should not be
    await made._reconcile()
    assert subjects.edges("y") in bus.records


async def test_a_mapping_that_cannot_be_read_is_told_until_there_is_one_that_can() -> None:
    bus = FailingBus()
    made = dispatcher(bus, "x")
    await made._reconcile()
    made._on_unreadable_mapping(record(subjects.mapping("x")), ValueError("no mapping"))
    for _ in range(3):
        await made._reconcile()
    made._on_mapping(record(subjects.mapping("x")), TaskMapping(assignment={"a": "node1"}))
    await made._reconcile()
    waiting, refusal, again = bus.said
    assert (waiting, again) == ("waiting for a", "waiting for a")
    assert refusal.startswith("the mapping that was put there is refused, no mapping: put one such as")
    assert bus.records[subjects.worker("node1", "x", "a")]["node"] == "node1"  # the one before is in force


async def test_what_the_bus_refuses_is_told() -> None:
    bus = FailingBus(refused="-x-")
    await dispatcher(bus, "x")._reconcile()
    (said,) = bus.said
    assert said.startswith("the bus fails, trying again: ") and "insufficient storage" in said
