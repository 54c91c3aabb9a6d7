"""WAVE: who controls whom, and the faults of the original that must not come back."""

from __future__ import annotations

from mapper.registry import solve
from mapper.wave import controllers, placing_order
from runtime.mapper_options import MapperOptions, WaveWeights
from tests.unit.mapper import problems

NODES = ("home", "P1", "P2")


def test_controllers_follow_sorted_names() -> None:
    rows = {name: {"P1": 1} for name in ("a", "b", "c", "d", "e")}
    edges = [("a", "b", 1), ("a", "c", 1), ("b", "d", 1), ("c", "e", 1), ("b", "e", 1), ("d", "e", 1)]
    problem = problems.problem(rows, edges)
    # e has three parents; b controls d already, so of c, b and d it is b.
    assert controllers(problem) == (None, 0, 0, 1, 1)


def test_of_parents_that_control_nothing_the_first_is_taken() -> None:
    rows = {name: {"P1": 1} for name in ("x", "y", "z")}
    problem = problems.problem(rows, [("y", "z", 1), ("x", "z", 1)])
    assert controllers(problem) == (None, None, 1)


def test_a_node_may_keep_its_tasks() -> None:
    rows = {name: dict.fromkeys(NODES, 1) for name in ("a", "b")}
    problem = problems.problem(rows, [("a", "b", 1000)], nodes=NODES)
    placed = solve(problem, "wave_greedy").schedule.assignment
    assert placed[0] == placed[1]


def test_promises_keep_children_from_herding() -> None:
    rows = {"a": {"home": 1}} | {f"b{index}": {"P1": 2, "P2": 2.1} for index in range(4)}
    edges = [("a", f"b{index}", 0) for index in range(4)]
    placed = solve(problems.problem(rows, edges, nodes=NODES), "wave_greedy").assignment
    assert [placed[f"b{index}"] for index in range(4)] == ["P1", "P2", "P1", "P2"]


def test_full_nodes_are_avoided() -> None:
    rows = {"a": {"P1": 1, "P2": 2}}
    for load in ({"busy_cores_ratio": 0.9}, {"busy_cores_ratio": 1.0}, {"memory_ratio": 0.95}):
        problem = problems.problem(rows, nodes=NODES, load={"P1": load})
        assert solve(problem, "wave_greedy").assignment == {"a": "P2"}
    calm = problems.problem(rows, nodes=NODES, load={"P1": {"memory_ratio": 0.5}})
    assert solve(calm, "wave_greedy").assignment == {"a": "P1"}


def test_random_is_seeded_and_uses_every_node_that_can_run_the_task() -> None:
    problem = problems.problem({"a": {"home": 1, "P2": 1}}, nodes=NODES)

    def drawn() -> list[str]:
        options = [MapperOptions(seed=seed) for seed in range(40)]
        return [solve(problem, "wave_random", options=each).assignment["a"] for each in options]

    found = drawn()
    assert set(found) == {"home", "P2"}
    assert drawn() == found


def test_whoever_takes_a_task_places_its_children_first() -> None:
    rows = {name: {"P1": 1} for name in ("a", "b", "c", "d", "e", "z")}
    edges = [("a", "b", 1), ("a", "c", 1), ("b", "d", 1), ("c", "e", 1), ("b", "e", 1), ("d", "e", 1)]
    problem = problems.problem(rows, edges)
    assert [problem.tasks[task] for task in placing_order(problem)] == ["a", "b", "d", "e", "c", "z"]


def test_weights_say_what_counts() -> None:
    rows = {"a": {"home": 1}, "b": {"home": 9, "P1": 3, "P2": 1}}
    links = problems.full_links(NODES)
    links["home"]["P1"]["bandwidth_bytes_per_s"] = 5.0
    problem = problems.problem(rows, [("a", "b", 5)], nodes=NODES, links=links)

    def place(**weights: float) -> str:
        options = MapperOptions(wave=WaveWeights(**weights))
        return solve(problem, "wave_greedy", options=options).assignment["b"]

    assert place() == "P1"
    assert place(compute=9.0) == "P2"
    assert place(network=9.0) == "home"


def test_the_legacy_price_is_jupiters() -> None:
    # Milliseconds of delay and per cent of load, whatever the execution times; and never the parent's own node.
    rows = {"a": {"home": 1}, "b": {"home": 1, "P1": 900, "P2": 1}}
    links = problems.full_links(NODES, bandwidth_bytes_per_s=1e3)
    links["home"]["P2"]["latency_s"] = 0.02
    load = {"P1": {"busy_cores_ratio": 0.15}, "P2": {"memory_ratio": 0.1}}
    problem = problems.problem(rows, [("a", "b", 1)], nodes=NODES, links=links, load=load)
    legacy = MapperOptions(wave=WaveWeights(legacy=True))
    # 1 + 15 against 21 + 10; and 21 ms is more than fifteen times 1 ms.
    assert solve(problem, "wave_greedy", options=legacy).assignment["b"] == "P1"
    load["P1"] = {"busy_cores_ratio": 1.0, "memory_ratio": 1.0}
    far = problems.problem(rows, [("a", "b", 1)], nodes=NODES, links=links, load=load)
    assert solve(far, "wave_greedy", options=legacy).assignment["b"] == "P1"
    links["home"]["P2"]["latency_s"] = 0.005
    near = problems.problem(rows, [("a", "b", 1)], nodes=NODES, links=links, load=load)
    assert solve(near, "wave_greedy", options=legacy).assignment["b"] == "P2"
