"""The mapper's process when the bus fails, and when it was away while a node left."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, cast

from mapper.service import MapperService
from runtime import codec, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.bus_errors import StoreTimeout, WrongLastSequence
from runtime.mapper_options import MapperOptions
from runtime.mapping import BY_HAND, TaskMapping
from runtime.message import Record, StoredMessage
from tests.unit.mapper.test_table import APP, execution, profile


class FailingBus:
    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.records: dict[str, TaskMapping] = {}
        self.last: StoredMessage | None = None

    async def put_record(self, subject: str, payload: bytes, *, expected_last_sequence: int) -> int:
        if self.failures:
            self.failures -= 1
            raise StoreTimeout("no acknowledgement in time")
        if self.last is not None and self.last.sequence != expected_last_sequence:
            raise WrongLastSequence(10071, "wrong last sequence")
        self.records[subject] = TaskMapping.from_record(codec.decode_record(payload))
        return 1

    async def leader_last_message(self, stream: str, subject: str) -> StoredMessage | None:
        return self.last

    def publish(self, subject: str, payload: bytes) -> bool:
        return True


def take(made: MapperService, subject: str, value: dict[str, Any]) -> None:
    made._take(Record(subject, codec.encode_record(value), 1, time.time()))


def mapper(bus: FailingBus, app: App, *nodes: str) -> MapperService:
    made = MapperService(cast(Bus, bus), "mapper-1", len(nodes))
    take(made, subjects.app(app.name), app.to_record())
    for node in nodes:
        take(made, subjects.node_profile(node), profile(node).to_record())
        take(made, subjects.execution_profile(app.name, "a", node), execution(node).to_record())
    return made


def mapped(made: MapperService, **mapping: Any) -> None:
    take(made, subjects.mapping(APP.name), TaskMapping(digest="d", **mapping).to_record())


async def test_a_mapping_that_was_not_taken_is_published_again() -> None:
    bus = FailingBus(failures=1)
    made = mapper(bus, APP, "node1")
    assert "not published" in await made._map(APP)
    assert await made._map(APP) == ""
    assert bus.records[subjects.mapping("app")].assignment == {"a": "node1"}


def stored(payload: bytes) -> StoredMessage:
    return StoredMessage(subjects.mapping(APP.name), payload, {}, 7, time.time())


async def test_a_mapping_by_hand_that_was_not_heard_yet_is_not_replaced() -> None:
    bus = FailingBus()
    made = mapper(bus, APP, "node1")
    by_hand = TaskMapping(assignment={"a": "node2"}, algorithm=BY_HAND)
    bus.last = stored(codec.encode_record(by_hand.to_record()))
    assert await made._map(APP) == "somebody else was first to map it"
    assert await made._map(APP) == ""
    assert bus.records == {}


async def test_a_mapping_is_put_where_one_was_taken_away_before_we_listened() -> None:
    bus = FailingBus()
    made = mapper(bus, APP, "node1")
    bus.last = stored(b"")
    assert await made._map(APP) != ""
    assert await made._map(APP) == ""
    assert bus.records[subjects.mapping("app")].assignment == {"a": "node1"}


async def test_a_mapper_that_starts_after_a_node_has_left_maps_its_tasks_away() -> None:
    """It had compared the nodes only with those that were there when it first looked."""
    bus = FailingBus()
    made = mapper(bus, APP, "node1")
    mapped(made, assignment={"a": "node2"}, algorithm="heft")
    assert await made._map(APP) == ""
    assert bus.records[subjects.mapping("app")].assignment == {"a": "node1"}


async def test_a_mapping_by_hand_is_left_alone_wherever_it_points() -> None:
    bus = FailingBus()
    made = mapper(bus, APP, "node1")
    mapped(made, assignment={"a": "node2"}, algorithm=BY_HAND)
    assert await made._map(APP) == ""
    assert bus.records == {}


async def test_what_the_agents_place_is_left_alone() -> None:
    bus = FailingBus()
    made = mapper(bus, replace(APP, mapper="wave_greedy", mapper_options=MapperOptions(distributed=True)), "node1")
    await made._map_all()
    assert bus.records == {}
    take(made, subjects.app(APP.name), replace(APP, mapper="wave_greedy").to_record())
    await made._map_all()
    assert bus.records[subjects.mapping("app")].assignment == {"a": "node1"}
