"""Logical nodes of a local run, from a number, a file or the application."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from deploy.nodes import LocalNode, check_fits, local_nodes
from runtime.app import App, SourceTask
from runtime.errors import UsageError
from runtime.graph import Task, TaskGraph


def app(pin: str | None = None, **node_map: str) -> App:
    task = Task(name="a", script="a.py", children=("home",), pin=pin)
    return App(name="demo", graph=TaskGraph({"a": task}, ("a",)), node_map=node_map)


def names(asked: str | None, application: App | None = None) -> list[str]:
    return [node.name for node in local_nodes(asked, application)]


def test_three_nodes_beside_home_unless_told_otherwise() -> None:
    assert names(None) == ["home", "node1", "node2", "node3"]
    assert names("1") == ["home", "node1"]


def test_an_application_brings_its_own_nodes() -> None:
    mapped = app(home="laptop", pi="raspberry", big="server")
    assert names(None, mapped) == ["home", "pi", "big"]
    assert names("2", mapped) == ["home", "node1", "node2"]


def test_hosts_of_tasks_outside_the_graph_are_nodes() -> None:
    camera = SourceTask(name="camera", script="camera.py", host="gate", children=("a",))
    watching = replace(app(), sources=(camera,))
    assert names(None, watching) == ["home", "node1", "node2", "node3", "gate"]
    with pytest.raises(UsageError, match="task camera runs on gate"):
        check_fits(watching, names("2", watching))


@pytest.mark.parametrize("asked", ["0", "65", "-1"])
def test_a_number_of_nodes_that_cannot_be(asked: str) -> None:
    with pytest.raises(UsageError, match="between 1 and 64"):
        local_nodes(asked, None)


@pytest.mark.parametrize(
    ("content", "nodes"),
    [
        ("node1: {cpus: 0.5}\nfast:\n", [("home", None), ("node1", 0.5), ("fast", None)]),
        ("- a\n- b.example.org\n", [("home", None), ("a", None), ("b.example.org", None)]),
        ("nodes: {a: {cpus: 2}, home: {cpus: 1}}", [("home", 1.0), ("a", 2.0)]),
    ],
)
def test_a_file_of_nodes(tmp_path: Path, content: str, nodes: list[tuple[str, float | None]]) -> None:
    file = tmp_path / "nodes.yaml"
    file.write_text(content)
    assert local_nodes(str(file), None) == tuple(LocalNode(name=name, cpus=cpus) for name, cpus in nodes)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "write node names"),
        ("7", "write node names"),
        ("[1, 2]", "node name 1 is no text"),
        ("a: {cpus: none}", "a has 'none' cpus"),
        ("a: {cpus: -1}", "a has -1 cpus"),
        ("a: {cpus: true}", "a has True cpus"),
        ("a: {memory: 1}", "the one setting"),
        ("a: [", "is not YAML"),
        ("[[a]]", "is no text"),
        ("a: {cpus: 1}\nb:\na: {cpus: 2}\n", ":3: a stands here already, in line 1"),
        ("a: {cpus: 1, cpus: 2}", "cpus stands here already"),
        ("[a, b, a]", "a is there twice"),
        ("'a b':", "the node name 'a b' holds what one cannot see"),
        ("'':", "1 to 253 characters"),
        (f"{'n' * 254}:", "1 to 253 characters"),
    ],
)
def test_a_file_that_is_no_list_of_nodes(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "nodes.yaml"
    file.write_text(content)
    with pytest.raises(UsageError, match=words) as raised:
        local_nodes(str(file), None)
    assert "nodes.yaml" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(UsageError, match=r"nodes file missing\.yaml cannot be read"):
        local_nodes("missing.yaml", None)


def test_a_task_pinned_to_a_node_that_is_not_there() -> None:
    check_fits(app(pin="node1"), ["home", "node1"])
    with pytest.raises(UsageError, match="task a is pinned to node9"):
        check_fits(app(pin="node9"), ["home", "node1"])


def test_a_node_map_without_a_node_that_is_there() -> None:
    check_fits(app(home="x", node1="y"), ["home", "node1"])
    with pytest.raises(UsageError, match="node_map lets tasks run on pi"):
        check_fits(replace(app(home="x", pi="y")), ["home", "node1"])
