"""One test per fault of names, graph and scripts: what is said, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.app_config import check
from tests.unit.runtime.app_folder import PROCESS, found, task, tasks, write

DAG = "application.tasks.dag_tasks"
SOURCES = "application.tasks.nondag_tasks"
HOME = "application.tasks.home"
RUN = "def run(ctx):\n    pass\n"


def one(folder: Path, text: str, **scripts: str) -> tuple[str, str]:
    (fault,) = found(folder, text, **scripts)
    return fault


GRAPHS = {
    "unknown child": (
        task("a", "b, home"),
        f"5 {DAG}[0].children[0]",
        "task 'a' names the child 'b', which is no task; declare",
    ),
    "near child": (
        task("a", "hone"),
        f"5 {DAG}[0].children[0]",
        "task 'a' names the child 'hone', which is no task; did you mean 'home'?",
    ),
    "child twice": (
        task("a", "home, home"),
        f"5 {DAG}[0].children[1]",
        "task 'a' names the child 'home' twice; leave one out",
    ),
    "name twice": (
        task("a") + task("a"),
        f"6 {DAG}[1].name",
        "a task 'a' is declared already, in line 5; rename one of them",
    ),
    "reserved": (
        task("a", "mapper") + "- {name: mapper, base_script: b.py, children: [home]}",
        f"6 {DAG}[1].name",
        "'mapper' is reserved and cannot name a task; choose another",
    ),
    "bad name": (
        task("a", "b.c") + "- {name: b.c, base_script: b.py, children: [home]}",
        f"6 {DAG}[1].name",
        "'b.c' cannot name a task (use 1 to 63 letters,",
    ),
    "no name": (task("a") + "- {base_script: b.py}", f"6 {DAG}[1].name", "the key 'name' is missing; add it"),
    "number as name": (
        task("a") + "- {name: 7, base_script: b.py}",
        f"6 {DAG}[1].name",
        "must be text, not 7; put it in quotes",
    ),
    "no mapping": (task("a") + "- b", f"6 {DAG}[1]", "must be a mapping of keys to values, not 'b'"),
    "cycle": (
        task("a", "b, home") + task("b", "c") + task("c", "b"),
        f"6 {DAG}[1].children",
        "the tasks form a cycle, b -> c -> b; remove one of these children",
    ),
    "own child": (task("a", "a, home"), f"5 {DAG}[0].children", "the tasks form a cycle, a -> a; remove"),
    "unreached": (
        task("a") + task("b"),
        f"6 {DAG}[1].name",
        "nothing reaches task 'b'; make it a child of home or of a task that is reached, or remove it",
    ),
    "no result": (
        task("a", "b") + task("b", ""),
        f"4 {DAG}",
        "no task has the child 'home', so nothing ever comes out; add it to the tasks that give results",
    ),
    "join too many": (
        task("a", "b, c") + task("b", "c") + task("c", more=", join: 3"),
        f"7 {DAG}[2].join",
        "task 'c' joins 3 parts but has 2 parents (a, b); write at most 2",
    ),
    "join of one": (
        task("a", more=", join: all"),
        f"5 {DAG}[0].join",
        "task 'a' has 1 parent in the graph, so there is nothing to join; leave join out",
    ),
    "codec inside": (
        task("a", "b") + task("b", more=", input_codec: text"),
        f"6 {DAG}[1].input_codec",
        "task 'b' is no entry task, so nothing reaches it from outside; leave input_codec out",
    ),
}


@pytest.mark.parametrize("text, place, message", GRAPHS.values(), ids=GRAPHS)
def test_graph(tmp_path: Path, text: str, place: str, message: str) -> None:
    where, said = one(tmp_path, tasks(text))
    assert where == place
    assert said.startswith(message)


ENDS = {
    "home feeds itself": (
        "[a, home]",
        "3 {HOME}.children[1]",
        "home cannot have the child 'home'; only DAG tasks give results",
    ),
    "home feeds nothing": ("[]", f"3 {HOME}.children", "home has no children; name the tasks that inputs go to"),
    "unknown entry": (
        "[zzz]",
        f"3 {HOME}.children[0]",
        "home names the child 'zzz', which is no task; declare it under dag_tasks",
    ),
    "text for a list": ("a", f"3 {HOME}.children", "must be a list, such as [a], not 'a'"),
}


@pytest.mark.parametrize("home, place, message", ENDS.values(), ids=ENDS)
def test_home(tmp_path: Path, home: str, place: str, message: str) -> None:
    assert one(tmp_path, tasks(task("a"), home=home)) == (place.replace("{HOME}", HOME), message)


def test_no_tasks(tmp_path: Path) -> None:
    where, said = one(tmp_path, "application:\n  tasks:\n    home: {}\n    dag_tasks:\n")
    assert (where, said) == (f"4 {DAG}", "there are no tasks; declare some under dag_tasks")


def test_a_way_through_home_is_no_cycle_and_a_source_reaches_tasks(tmp_path: Path) -> None:
    text = (
        tasks(task("a"), home="[]")
        + "    nondag_tasks:\n      - {name: s, base_script: s.py, k8s_host: h, children: [a]}\n"
    )
    assert found(tmp_path, text, s=RUN) == []


SOURCE_FAULTS = {
    "no host": (
        "base_script: s.py, children: [a]",
        "k8s_host",
        "the non-DAG task 's' has no k8s_host; name the host it runs on",
    ),
    "no children": (
        "base_script: s.py, k8s_host: h",
        "name",
        "the non-DAG task 's' has no children; name the DAG tasks it feeds",
    ),
    "feeds home": (
        "base_script: s.py, k8s_host: h, children: [a, home]",
        "children[1]",
        "task 's' cannot have the child 'home'; only DAG tasks give results",
    ),
    "feeds itself": (
        "base_script: s.py, k8s_host: h, children: [a, s]",
        "children[1]",
        "task 's' feeds 's', but a non-DAG task takes no input; leave it out",
    ),
    "no script": (
        "k8s_host: h, children: [a]",
        "base_script",
        "the key 'base_script' is missing; name the task's script, such as task.py",
    ),
}


@pytest.mark.parametrize("keys, key, message", SOURCE_FAULTS.values(), ids=SOURCE_FAULTS)
def test_sources(tmp_path: Path, keys: str, key: str, message: str) -> None:
    text = tasks(task("a")) + f"    nondag_tasks:\n      - {{name: s, {keys}}}\n"
    assert one(tmp_path, text, s=RUN) == (f"7 {SOURCES}[0].{key}", message)


def test_a_source_may_not_feed_one_branch_of_a_join(tmp_path: Path) -> None:
    text = tasks(task("a", "b, c") + task("b", "d") + task("c", "d") + task("d"))
    text += "    nondag_tasks:\n      - {name: s, base_script: s.py, k8s_host: h, children: [b]}\n"
    where, said = one(tmp_path, text, s=RUN, d=PROCESS)
    assert where == f"10 {SOURCES}[0].children"
    assert said.startswith("'s' feeds task 'b', but join 'd' below waits for other branches too")


def test_each_part_by_itself_may_not_be_followed_by_a_join_of_other_branches(tmp_path: Path) -> None:
    dag = task("a", "b, c, f") + task("b", "e") + task("c", "e") + task("e", "f", ", join: each") + task("f")
    where, said = one(tmp_path, tasks(dag), e=PROCESS, f=PROCESS)
    assert where == f"8 {DAG}[3].join"
    assert said.startswith("task 'e' gives an item for each parent, but join 'f' below needs one")


@pytest.mark.parametrize(
    ("nodes", "more", "place", "message"),
    [
        ("{node1: x}", "", "1 node_map", "node_map has no 'home'; add it, with the host where inputs enter"),
        ("{home: x}", "", "1 node_map", "node_map has no node for tasks but 'home'; add some, such as node1"),
        (
            "{home: x, 'a b': y}",
            "",
            "1 node_map.a b",
            "the node name 'a b' holds what one cannot see; use letters, digits, dots and the like",
        ),
        ("{home: x, node1: 5}", "", "1 node_map.node1", "must be text, not 5; put it in quotes if it is meant as text"),
        (
            "{home: x, node1: y}",
            ", pin: node2",
            f"6 {DAG}[0].pin",
            "task 'a' is pinned to 'node2', which node_map does not have; it has home, node1",
        ),
    ],
)
def test_nodes(tmp_path: Path, nodes: str, more: str, place: str, message: str) -> None:
    text = tasks(task("a", more=more), before=f"node_map: {nodes}\n")
    assert one(tmp_path, text) == (place, message)


def diamond(route: str, join: str) -> str:
    return tasks(
        task("a", "b, c", f", route: {route}") + task("b", "d") + task("c", "d") + task("d", more=f", join: {join}")
    )


@pytest.mark.parametrize("route", ["round_robin", "by_key"])
@pytest.mark.parametrize("join", ["all", "2"])
def test_one_branch_per_item_cannot_meet_in_a_join_of_all(tmp_path: Path, route: str, join: str) -> None:
    keyed = PROCESS + "def key(value):\n    return value\n"
    message = (
        f"task 'a' sends an item to one child (route: {route}), but 'b' and 'c' meet in 'd', which waits for "
        "all; write join: any or each there, or route: all"
    )
    assert one(tmp_path, diamond(route, join), a=keyed, d=PROCESS) == (f"5 {DAG}[0].route", message)


@pytest.mark.parametrize("join", ["any", "1", "each"])
def test_one_branch_per_item_may_meet_elsewhere(tmp_path: Path, join: str) -> None:
    assert found(tmp_path, diamond("round_robin", join), d=PROCESS) == []


def test_branches_that_meet_before_the_join_are_no_matter(tmp_path: Path) -> None:
    text = tasks(
        task("a", "e, b, c", ", route: all")
        + task("b", "d, f", ", route: round_robin")
        + task("c", "f")
        + task("d", "f")
        + task("e", "g")
        + task("f", "g", ", join: any")
        + task("g")
    )
    assert found(tmp_path, text, **dict.fromkeys("defg", PROCESS)) == []


def test_folder_names_that_cannot_be(tmp_path: Path) -> None:
    folder = write(tmp_path / "profile", tasks(task("a")))
    (fault,) = check(folder)
    assert fault.place == str(folder)
    assert fault.message == (
        "'profile' is reserved and cannot name an application; rename the folder, or set application.name"
    )
