"""Which inputs enter again for which dead letters."""

from __future__ import annotations

from typing import Any

import pytest

from circe.replay import MOST_OWED, decode
from deploy.replaying import Again, original, plan
from runtime import subjects
from runtime.graph import Task, TaskGraph


def graph(entry: str) -> TaskGraph:
    tasks = [
        Task(name=entry, script="s.py", children=("heavy",)),
        Task(name="heavy", script="s.py", children=("home",), edge="queued"),
    ]
    return TaskGraph({task.name: task for task in tasks}, (entry,))


GRAPH, LEFT = graph("split"), graph("left")
ROOT = {"id": "run-17", "task": None, "headers": {"Kind": "test"}, "input": {"text": "whole"}}


def letter(number: int = 1, task: str = "left", item_id: str = "run-17", **other: Any) -> dict[str, Any]:
    return {
        "number": number,
        "task": task,
        "id": item_id,
        "sequence": 17,
        "input": {"text": "part"},
        "root": ROOT,
        **other,
    }


def owed(again: Again) -> tuple[tuple[str, str], ...]:
    return decode(again.headers[subjects.REPLAY_HEADER]).owed


def test_an_input_enters_once_for_all_that_failed_below_it() -> None:
    planned = plan([letter(3), letter(5, task="right"), letter(8, item_id="run-17.2")], GRAPH)
    (again,) = planned.again
    assert planned.kept == 0
    assert (again.task, again.item_id, again.payload, again.letters) == (None, "run-17", b"whole", (3, 5, 8))
    assert again.headers["Kind"] == "test"
    assert owed(again) == (("left", "run-17"), ("right", "run-17"), ("left", "run-17.2"))
    assert decode(again.headers[subjects.REPLAY_HEADER]).sequence == 17


def test_an_input_that_is_replayed_again_owes_what_failed_last() -> None:
    headers = {"Kind": "test", subjects.REPLAY_HEADER: "old"}
    (again,) = plan([letter(root={**ROOT, "headers": headers})], GRAPH).again
    assert owed(again) == (("left", "run-17"),)


def test_very_many_letters_of_one_input_take_several_rounds() -> None:
    letters = [letter(number, item_id=f"run-17.{number}") for number in range(1, 2 * MOST_OWED + 2)]
    planned = plan(letters, GRAPH)
    assert [len(owed(again)) for again in planned.again] == [MOST_OWED, MOST_OWED, 1]
    assert [number for again in planned.again for number in again.letters] == [each["number"] for each in letters]


def test_inputs_of_different_sequences_are_different() -> None:
    assert len(plan([letter(1), letter(2, sequence=18)], GRAPH).again) == 2


def test_without_the_input_behind_it_only_an_entry_tasks_letter_is_enough() -> None:
    without = letter()
    del without["root"]
    assert plan([without], GRAPH).kept == 1
    (again,) = plan([without], LEFT).again
    assert (again.task, again.item_id, again.payload) == ("left", "run-17", b"part")


def test_what_failed_below_a_queue_enters_there_again_as_the_item_that_it_is_there() -> None:
    root = {**ROOT, "id": "run-17.1", "queue": "heavy"}
    letters = [
        letter(1, item_id="run-17.1", root=root),
        letter(2, task="right", item_id="run-17.1.2", root=root),
        letter(3),
    ]
    below, above = plan(letters, GRAPH).again
    assert (below.queue, below.item_id, below.task, below.letters) == ("heavy", "run-17.1", None, (1, 2))
    assert (above.queue, above.item_id, above.letters) == ("home", "run-17", (3,))


def test_without_the_item_behind_it_a_letter_of_the_task_that_reads_the_queue_is_enough() -> None:
    without = letter(task="heavy", item_id="run-17.1")
    del without["root"]
    (again,) = plan([without], GRAPH).again
    assert (again.queue, again.item_id, again.payload) == ("heavy", "run-17.1", b"part")


@pytest.mark.parametrize(
    "changed",
    [
        {"sequence": None},
        {"id": 5},
        {"task": None},
        {"root": "x"},
        {"root": {"id": "run-17"}},
        {"root": {**ROOT, "input": {"left_out": "too large"}}},
        {"root": {**ROOT, "task": "a b"}},
        {"root": {**ROOT, "id": "run 17"}},
        {"root": {**ROOT, "headers": {"a": "b\r\nc"}}},
        {"root": {**ROOT, "queue": "gone"}},
        {"root": {**ROOT, "queue": ["heavy"]}},
        {"id": "run-17.>"},
    ],
)
def test_what_is_no_letter_of_ours_is_kept(changed: dict[str, Any]) -> None:
    assert plan([letter(**changed)], GRAPH).kept == 1


@pytest.mark.parametrize(
    ("kept", "payload"),
    [
        ({"text": "grün"}, "grün".encode()),
        ({"base64": "/w=="}, b"\xff"),
        ({"base64": "no!"}, None),
        ({"text": "half \udc80"}, None),
        ({"left_out": "too large"}, None),
        ({"left": {"text": "a"}, "right": {"text": "b"}}, None),
        ({"text": {"text": "a"}}, None),
        (None, None),
    ],
)
def test_only_an_input_that_was_kept_can_be_sent_again(kept: object, payload: bytes | None) -> None:
    assert original(kept) == payload
