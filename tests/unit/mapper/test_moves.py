"""What the mapper compares before it moves what runs: two mappings, judged alike, each at its own pace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pytest

from mapper import decide, registry, service
from mapper.period import period
from mapper.service import MapperService
from runtime import subjects
from runtime.app import App
from runtime.graph import Task, TaskGraph
from runtime.mapping import TaskMapping
from runtime.profiles import ExecutionProfile, LinkRow, NodeProfile
from tests.unit.mapper import known
from tests.unit.mapper.test_service import FailingBus, mapper, take

SUBJECT = subjects.mapping("chained")


def world(
    bus: FailingBus, app: App, nodes: Sequence[NodeProfile], executions: Iterable[ExecutionProfile], latency_s: float
) -> MapperService:
    made = mapper(bus, app)
    for node in nodes:
        take(made, subjects.node_profile(node.node), node.to_record())
        links = {other.node: known.link(latency_s) for other in nodes if other is not node}
        take(made, subjects.link_profile(node.node), LinkRow(source=node.node, links=links).to_record())
    for each in executions:
        take(made, subjects.execution_profile(app.name, each.task, each.node), each.to_record())
    return made


async def look_again(made: MapperService, app: App) -> None:
    for _ in range(decide.EVALUATIONS + 1):
        assert await made._map(app) == ""


def graph(children: Mapping[str, tuple[str, ...]]) -> TaskGraph:
    inner = {child for found in children.values() for child in found}
    tasks = {
        name: Task(name=name, script=f"{name}.py", children=found or ("home",)) for name, found in children.items()
    }
    return TaskGraph(tasks, tuple(name for name in children if name not in inner))


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decide, "EVERY_S", 0.0)
    monkeypatch.setattr(service, "SETTLE_S", 0.0)


async def test_a_mapping_is_not_left_for_itself() -> None:
    """The search knew an order in which this one is quicker than in the evaluator's, and it was put for ever."""
    app = App(
        name="chained",
        graph=graph({"a": (), "b": ("c", "d"), "c": (), "d": ()}),
        digest="d",
        objective="makespan",
    )
    seconds = {"home": (5.0, 6.0, 9.0, 4.0), "node1": (4.0, 2.0, 6.0, 6.0)}
    executions = [
        known.execution(task, node, each_s)
        for node, row in seconds.items()
        for task, each_s in zip("abcd", row, strict=True)
    ]
    bus = FailingBus()
    made = world(bus, app, [known.node("home", speed=20.0), known.node("node1", speed=20.0)], executions, 1.0)
    problem = made._state(app).problem
    found = registry.solve(problem, "auto", "makespan")
    assert registry.again(problem, found).makespan_s > 1.2 * found.makespan_s
    assert await made._map(app) == ""
    put = bus.records.pop(SUBJECT)
    others = [registry.again(problem, registry.solve(problem, name, "makespan")) for name in ("heft", "peft", "cpop")]
    assert put.makespan_s is not None and put.makespan_s <= min(other.makespan_s for other in others)
    await look_again(made, app)
    assert SUBJECT not in bus.records


async def test_what_is_left_is_judged_at_its_own_pace() -> None:
    shares = {"home": 1.0, "node1": 0.9, "node2": 0.06}
    nodes = [
        known.node(name, cores=share, speed=20.0 * share, quota_period_s=0.01 if name != "home" else 0.0)
        for name, share in shares.items()
    ]
    executions = [
        known.execution(task, name, 1e-4 / shares[name], cpu_s=1e-4) for task in "ab" for name in ("node1", "node2")
    ]
    app = known.chain("a", "b", node_map={"node1": "there", "node2": "there"})
    bus = FailingBus()
    made = world(bus, app, nodes, executions, 1e-3)
    before = TaskMapping(assignment={"a": "node2", "b": "node2"}, algorithm="heft", digest="d")
    take(made, SUBJECT, before.to_record())
    stated, slow = made._state(app), [0, 0, 2, 2]
    foretold_s = period(stated.settled(slow).problem, slow).period_s
    assert foretold_s > 1.2 * period(stated.problem, slow).period_s
    await look_again(made, app)
    assert f"moved from {foretold_s:.3g} s per item" in bus.records[SUBJECT].why


async def test_people_are_told_of_home_and_not_of_what_stands_for_it() -> None:
    app = known.chain("a")
    bus = FailingBus()
    tiny = known.execution("a", "home", 1e-6, outputs={"home": 1.0}, output_bytes={})
    made = world(bus, app, [known.node("home", cores=8.0, speed=20.0)], [tiny], 1e-3)
    assert await made._map(app) == ""
    assert bus.records[SUBJECT].bottleneck == "task home"
