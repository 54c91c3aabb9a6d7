"""Which inputs enter again for which dead letters."""

from __future__ import annotations

from typing import Any

import pytest

from circe.replay import MOST_OWED, decode
from deploy.replaying import Again, original, plan
from runtime import subjects

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
    planned = plan([letter(3), letter(5, task="right"), letter(8, item_id="run-17.2")], ["split"])
    (again,) = planned.again
    assert planned.kept == 0
    assert (again.task, again.item_id, again.payload, again.letters) == (None, "run-17", b"whole", (3, 5, 8))
    assert again.headers["Kind"] == "test"
    assert owed(again) == (("left", "run-17"), ("right", "run-17"), ("left", "run-17.2"))
    assert decode(again.headers[subjects.REPLAY_HEADER]).sequence == 17


def test_an_input_that_is_replayed_again_owes_what_failed_last() -> None:
    headers = {"Kind": "test", subjects.REPLAY_HEADER: "old"}
    (again,) = plan([letter(root={**ROOT, "headers": headers})], ["split"]).again
    assert owed(again) == (("left", "run-17"),)


def test_very_many_letters_of_one_input_take_several_rounds() -> None:
    letters = [letter(number, item_id=f"run-17.{number}") for number in range(1, 2 * MOST_OWED + 2)]
    planned = plan(letters, ["split"])
    assert [len(owed(again)) for again in planned.again] == [MOST_OWED, MOST_OWED, 1]
    assert [number for again in planned.again for number in again.letters] == [each["number"] for each in letters]


def test_inputs_of_different_sequences_are_different() -> None:
    assert len(plan([letter(1), letter(2, sequence=18)], ["split"]).again) == 2


def test_without_the_input_behind_it_only_an_entry_tasks_letter_is_enough() -> None:
    without = letter()
    del without["root"]
    assert plan([without], ["split"]).kept == 1
    (again,) = plan([without], ["left"]).again
    assert (again.task, again.item_id, again.payload) == ("left", "run-17", b"part")


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
        {"id": "run-17.>"},
    ],
)
def test_what_is_no_letter_of_ours_is_kept(changed: dict[str, Any]) -> None:
    assert plan([letter(**changed)], ["split"]).kept == 1


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
