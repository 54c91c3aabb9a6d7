"""An input that enters again: the header that says so, and what is a result of it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circe.letters import Origin, dead_letter, letter_headers
from circe.replay import MOST_OWED, Replay, decode, identify, is_owed, origin_of, replay_of
from runtime import subjects
from runtime.graph import Task, TaskGraph

HEADER = subjects.REPLAY_HEADER
GRAPH = TaskGraph(
    {
        "split": Task(name="split", script="s.py", children=("left", "right", "home")),
        "left": Task(name="left", script="s.py", children=("meet",)),
        "right": Task(name="right", script="s.py", children=("meet",)),
        "meet": Task(name="meet", script="s.py", children=("home",)),
    },
    ("split",),
)
AGAIN = Replay(17, "run-17", (("left", "run-17"),))

ids = st.from_regex(r"run-[A-Za-z0-9=~_-]{1,20}(\.[0-9]{1,3}){0,2}", fullmatch=True)
replays = st.builds(
    Replay,
    st.integers(1, 1 << 60),
    ids,
    st.lists(st.tuples(st.sampled_from(sorted(GRAPH.tasks)), ids), max_size=MOST_OWED).map(tuple),
)


@given(replays)
def test_what_is_written_is_read(replay: Replay) -> None:
    text = replay.encode()
    assert text.isascii() and "\n" not in text
    assert decode(text) == replay


@pytest.mark.parametrize(
    "text",
    [
        "",
        "17",
        "[17]",
        '[0,"run-1",[]]',
        '[17,"run-17",[["left"]]]',
        '[17,"run 17",[]]',
        '[17,"run-17.>",[]]',
        '[17,"run-17..1",[]]',
        '[17,"run-17.",[]]',
        json.dumps([17, "run-" + "x" * 2000, []]),
        json.dumps([17, "run-17", [["left", "run-17"]] * (MOST_OWED + 1)]),
        "[" * 5000,
        "x" * 100_000,
    ],
)
def test_what_nobody_of_ours_wrote_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        identify({HEADER: text}, "run", 90)
    assert replay_of({HEADER: text}) is None
    assert origin_of(90, {HEADER: text}) == 90


def test_an_input_is_itself_again() -> None:
    headers = {HEADER: AGAIN.encode(), "Nats-Msg-Id": "replay-3-run-17", "Kind": "test"}
    assert identify(headers, "run", 90) == ("run-17", {HEADER: AGAIN.encode(), "Kind": "test"})
    assert origin_of(90, headers) == 17


@pytest.mark.parametrize(("run", "sequence"), [("other", 90), ("run", 17), ("run", 3)])
def test_nothing_is_again_what_was_not_here_before(run: str, sequence: int) -> None:
    with pytest.raises(ValueError, match="must have entered here before"):
        identify({HEADER: AGAIN.encode()}, run, sequence)


def test_other_inputs_have_an_id_of_their_own() -> None:
    assert identify({}, "run", 5) == ("run-5", None)
    assert identify({"Nats-Msg-Id": "a b"}, "run", 5) == ("run-~a=20b", None)
    assert identify({"Kind": "test"}, "run", 5) == ("run-5", {"Kind": "test"})


@pytest.mark.parametrize(
    ("task", "item_id", "owed"),
    [
        ("meet", "run-17", True),
        ("meet", "run-17.1", True),
        ("left", "run-17", True),
        ("split", "run-17", False),
        ("right", "run-17", False),
        ("meet", "a-group-7", True),
    ],
)
def test_only_what_descends_from_a_dead_item_is_owed(task: str, item_id: str, owed: bool) -> None:
    assert is_owed(AGAIN, GRAPH, task, item_id) == owed


def test_of_several_outputs_only_those_that_failed_are_owed() -> None:
    again = Replay(17, "run-17", (("left", "run-17.2"), ("left", "run-17.3")))
    assert [is_owed(again, GRAPH, "meet", f"run-17.{k}") for k in (1, 2, 3, 20)] == [False, True, True, False]
    assert is_owed(again, GRAPH, "meet", "run-17.2.1")


def test_of_an_input_that_nobody_took_everything_is_owed() -> None:
    again = Replay(17, "run-17", (("home", "run-17"),))
    assert all(is_owed(again, GRAPH, task, "run-17") for task in GRAPH.tasks)


def test_of_a_task_that_is_no_more_everything_is_owed() -> None:
    again = Replay(17, "run-17", (("renamed", "run-17.2"),))
    assert is_owed(again, GRAPH, "meet", "run-17.2")
    assert not is_owed(again, GRAPH, "meet", "run-17.1")


def letter(
    limit_bytes: int = 1 << 20, payload: bytes = b"part", root: bytes = b"whole", error: str = "e"
) -> dict[str, Any]:
    origin = Origin("run-17", None, {"Kind": "test"}, root)
    written = dead_letter("left", "run-17.2", 17, payload, error, node="n", origin=origin, limit_bytes=limit_bytes)
    assert len(written) <= limit_bytes
    found: dict[str, object] = json.loads(written)
    return found


def test_a_letter_holds_the_input_behind_it() -> None:
    assert letter()["root"] == {"id": "run-17", "task": None, "headers": {"Kind": "test"}, "input": {"text": "whole"}}
    assert letter(root=b"part")["root"] == {"id": "run-17", "task": None, "headers": {"Kind": "test"}}


def test_what_is_too_large_for_a_letter_is_left_out() -> None:
    found = letter(limit_bytes=4000, root=b"x" * 4000)
    assert "root" not in found
    assert found["input"] == {"text": "part"}
    assert "left_out" in str(letter(limit_bytes=4000, payload=b"x" * 4000)["input"])


def test_an_error_without_a_utf8_form_is_written_too() -> None:
    assert letter(error="half \udc80")["error"] == "half \udc80"


def test_the_letter_of_an_input_that_failed_again_is_another() -> None:
    first, again = letter_headers("left", "run-17", 17, 17), letter_headers("left", "run-17", 90, 17)
    assert first["Nats-Msg-Id"] != again["Nats-Msg-Id"]
    assert first["Jupiter-Input"] == again["Jupiter-Input"] == "17"
