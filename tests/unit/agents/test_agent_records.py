"""What an agent makes of the records it hears: a broken one is dropped, and touches nothing else."""

from typing import Any, cast

import pytest

from agents.agent_records import AgentRecords
from agents.execution import ExecutionProfiler
from agents.executor import Executor
from agents.link_profiler import LinkProfiler
from agents.placing import Placing
from runtime import codec, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.graph import Task, TaskGraph
from runtime.mapping import TaskMapping
from runtime.message import Record
from runtime.profiles import NodeProfile
from runtime.records import DesiredWorker, EdgeRecord


class Heard:
    """Stands for all that an agent tells of records, and remembers what it was told."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def heard(self, *arguments: object) -> None:
        self.calls.append(arguments)

    desire = connect = given = runs = heard


class Told:
    """What the agents that place tasks are told."""

    def __init__(self) -> None:
        self.nodes: list[NodeProfile] = []
        self.apps: dict[str, App | None] = {}
        self.mappings: list[tuple[str, TaskMapping | None, int]] = []

    def heard_node(self, profile: NodeProfile) -> None:
        self.nodes.append(profile)

    def heard_app(self, name: str, app: App | None) -> None:
        self.apps[name] = app

    def heard_mapping(self, name: str, mapping: TaskMapping | None, sequence: int) -> None:
        self.mappings.append((name, mapping, sequence))


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def records(heard: Heard, told: Told) -> AgentRecords:
    return AgentRecords(
        cast(Bus, None),
        "n",
        cast(LinkProfiler, heard),
        cast(ExecutionProfiler, heard),
        cast(Executor, heard),
        cast(Placing, told),
    )


def record(subject: str, value: dict[str, Any] | None) -> Record:
    payload = None if value is None else codec.encode_record(value)
    return Record(subject=subject, payload=payload, sequence=1, timestamp_s=0.0)


WORKER = DesiredWorker(app="app", task="a", node="n", digest="0" * 64, epoch=1)
APP = App(name="app", graph=TaskGraph({"a": Task(name="a", script="a.py")}, ("a",)), digest="0" * 64)
NODE = NodeProfile(
    node="m",
    cores=1.0,
    memory_bytes=1,
    memory_available_bytes=1,
    busy_cores=0.0,
    load_ratio=0.0,
    speed_score=1.0,
    agent="agent-1",
    host="h",
)
EDGES = EdgeRecord(app="app", revision=1, run="r", workers={"a": ("a-1",)})


def test_good_records_are_handed_on_and_gone_ones_too(records: AgentRecords, heard: Heard) -> None:
    records._on_worker(record(subjects.worker("n", "app", "a"), WORKER.to_record()))
    records._on_worker(record(subjects.worker("n", "app", "a"), None))
    records._on_app(record(subjects.app("app"), APP.to_record()))
    records._on_app(record(subjects.app("app"), None))
    records._on_edges(record(subjects.edges("app"), EDGES.to_record()))
    records._on_edges(record(subjects.edges("app"), None))
    records._on_node(record(subjects.node_profile("m"), NODE.to_record()))
    records._on_node(record(subjects.node_profile("m"), None))
    place = ("app", "a")
    assert heard.calls == [
        (place, WORKER),
        (place, None),
        ("app", APP),
        ("app", None),
        ("app", EDGES),
        ("app", "r"),
        ("app", None),
        (NODE,),
    ]


@pytest.mark.parametrize(
    ("mapping", "is_given"),
    [({"a": "n"}, True), (TaskMapping(assignment={}, algorithm="heft").to_record(), False), (None, False)],
)
def test_a_mapping_by_hand_is_told_from_a_computed_one(
    records: AgentRecords, heard: Heard, mapping: dict[str, Any] | None, is_given: bool
) -> None:
    records._on_mapping(record(subjects.mapping("app"), mapping))
    assert heard.calls == [("app", is_given)]


def test_whoever_places_hears_of_nodes_applications_and_mappings(records: AgentRecords, told: Told) -> None:
    records._on_node(record(subjects.node_profile("m"), NODE.to_record()))
    records._on_app(record(subjects.app("app"), APP.to_record()))
    records._on_app(record(subjects.app("other"), None))
    records._on_mapping(record(subjects.mapping("app"), {"a": "n"}))
    records._on_mapping(record(subjects.mapping("app"), {"a": 3}))
    assert told.nodes == [NODE] and told.apps == {"app": APP, "other": None}
    assert told.mappings == [("app", TaskMapping(assignment={"a": "n"}), 1), ("app", None, 1)]


@pytest.mark.parametrize(
    "change",
    [{"replicas": "many"}, {"replicas": -1}, {"replicas": 10**9}, {"app": "other"}, {"digest": None}, {"odd": 1}],
)
def test_a_broken_worker_record_is_dropped(records: AgentRecords, heard: Heard, change: dict[str, Any]) -> None:
    records._on_worker(record(subjects.worker("n", "app", "a"), {**WORKER.to_record(), **change}))
    assert heard.calls == []


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"digest": 5},
        {"tasks": [{"name": "a"}]},
        {"node_map": {"n": []}},
        {"entries": 1},
        {"mapper": []},
        *[
            {"mapper_options": each}
            for each in ({"seed": "x"}, {"distributed": 1}, {"wave": {"network": "1"}}, {"limit_s": []})
        ],
    ],
)
def test_a_broken_application_is_dropped(records: AgentRecords, heard: Heard, change: dict[str, Any]) -> None:
    records._on_app(record(subjects.app("app"), {**APP.to_record(), **change}))
    assert heard.calls == []


def test_an_application_with_a_cycle_is_dropped(records: AgentRecords, heard: Heard) -> None:
    tasks = [Task(name="a", script="a.py", children=("b",)), Task(name="b", script="b.py", children=("a",))]
    graph = TaskGraph({task.name: task for task in tasks}, ("a",))
    records._on_app(record(subjects.app("app"), App(name="app", graph=graph).to_record()))
    assert heard.calls == []


@pytest.mark.parametrize("change", [{"workers": {"a": [[]]}}, {"workers": 3}, {"app": None}])
def test_a_broken_edge_record_is_dropped(records: AgentRecords, heard: Heard, change: dict[str, Any]) -> None:
    records._on_edges(record(subjects.edges("app"), {**EDGES.to_record(), **change}))
    assert heard.calls == []


@pytest.mark.parametrize("change", [{"node": 7}, {"node": "x" * 10_000}, {"cores": 1, "more": 2}])
def test_a_broken_node_profile_is_dropped(records: AgentRecords, heard: Heard, change: dict[str, Any]) -> None:
    records._on_node(record(subjects.node_profile("m"), {**NODE.to_record(), **change}))
    assert heard.calls == []
