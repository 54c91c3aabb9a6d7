"""WAVE: who controls whom, and the faults of the original that must not come back."""

from __future__ import annotations

from mapper.registry import solve
from mapper.wave import controllers
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
    drawn = [solve(problem, "wave_random", seed=seed).assignment["a"] for seed in range(40)]
    assert set(drawn) == {"home", "P2"}
    assert drawn == [solve(problem, "wave_random", seed=seed).assignment["a"] for seed in range(40)]
