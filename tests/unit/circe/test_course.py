"""Where all that comes of an item must be stored, so that it counts as ended."""

from __future__ import annotations

from dataclasses import replace

from circe.course import Place, Store, course
from runtime.graph import Task, TaskGraph
from runtime.network import HOME
from tests.unit.circe.test_protocol_model import diamond, two_diamonds


def stores(graph: TaskGraph, task: str) -> dict[str, list[Store]]:
    """By task, of an item at `task`."""
    return {place.task: list(step.stores) for place, step in course(graph, Place(task, "i")).items()}


def test_it_goes_through_joins_that_need_the_item_and_ends_at_the_egress() -> None:
    found = course(diamond(), Place("left", "i"))
    assert [place.task for place in found] == ["left", "merge", "last"]
    assert found[Place("merge", "i")].places == (Place("last", "i"),)
    assert found[Place("last", "i")].stores == (Store(HOME, "i", ""),)


def test_what_a_join_gives_without_the_item_is_not_of_it() -> None:
    assert [place.task for place in course(diamond("any"), Place("left", "i"))] == ["left"]
    both = course(diamond("any"), Place("left", "i"), Place("right", "i"))
    assert [place.task for place in both] == ["left", "right", "merge", "last"]
    assert [place.task for place in course(diamond(2), Place("right", "i"))] == ["right", "merge", "last"]


def test_what_a_join_gives_without_the_item_counts_where_nobody_knows_what_its_other_parents_gave() -> None:
    found = course(diamond("any"), Place("left", "i"), spared=True)
    assert [place.task for place in found] == ["left", "merge", "last"]


def test_it_ends_at_the_next_queue() -> None:
    assert stores(two_diamonds(), "split")["merge"] == [Store("last", "i", "")]
    assert list(stores(two_diamonds(), "last")) == ["last", "up", "down", "meet"]


def test_parts_that_run_apart_have_their_parents_in_their_ids() -> None:
    found = course(diamond("each"), Place("split", "i"))
    assert {Place("merge", "i.left"), Place("merge", "i.right")} < set(found)
    tasks = dict(diamond("each").tasks)
    tasks["merge"] = replace(tasks["merge"], edge="queued")
    assert stores(TaskGraph(tasks, ("split",)), "left")["left"] == [Store("merge", "i", ".left")]


def test_of_children_among_which_a_route_chooses_one_is_enough() -> None:
    tasks = {"a": Task(name="a", script="s.py", children=("b", "c"), route="by_key")}
    tasks |= {name: Task(name=name, script="s.py", children=(HOME,)) for name in ("b", "c")}
    assert course(TaskGraph(tasks, ("a",)), Place("a", "i"))[Place("a", "i")].is_choice


def test_between_a_fork_and_its_join_a_route_may_give_several_under_one_id() -> None:
    tasks = dict(diamond("any").tasks)
    tasks["left"] = replace(tasks["left"], children=("up", "down"), route="by_key")
    for name in ("up", "down"):
        tasks[name] = Task(name=name, script="s.py", children=("merge", HOME))
    step = course(TaskGraph(tasks, ("split",)), Place("left", "i"))[Place("left", "i")]
    assert len(step.places) == 2
    assert not step.is_choice
