"""Which child gets which output under which id, and who gets an absence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circe.outputs import FILTERED, NOT_CHOSEN, Addressed, BranchError, Output, address, chosen

CHILDREN = ("a", "b")
outputs = st.lists(
    st.builds(Output, st.binary(min_size=1, max_size=3), st.sampled_from([None, *CHILDREN]), st.just(False)), max_size=6
)


def test_a_returned_value_keeps_the_id_for_every_child() -> None:
    assert address("x", [Output(b"v")], CHILDREN, one_to_one=False) == [
        Addressed("a", "x", b"v"),
        Addressed("b", "x", b"v"),
    ]


def test_nothing_returned_is_an_absence_for_every_child() -> None:
    assert address("x", [], CHILDREN, one_to_one=False) == [
        Addressed("a", "x", None, FILTERED),
        Addressed("b", "x", None, FILTERED),
    ]


def test_emitted_values_are_numbered_per_child_and_the_other_child_gets_absences() -> None:
    given_out = [Output(b"1", "a", False), Output(b"2", "a", False), Output(b"3", "b", False)]
    assert address("x", given_out, CHILDREN, one_to_one=False) == [
        Addressed("a", "x.1", b"1"),
        Addressed("a", "x.2", b"2"),
        Addressed("b", "x.1", b"3"),
        Addressed("b", "x.2", None, NOT_CHOSEN),
    ]


def test_between_fork_and_join_one_emitted_value_keeps_the_id() -> None:
    assert address("x", [Output(b"1", "a", False)], CHILDREN, one_to_one=True) == [
        Addressed("a", "x", b"1"),
        Addressed("b", "x", None, NOT_CHOSEN),
    ]


def test_between_fork_and_join_a_second_output_is_an_error() -> None:
    with pytest.raises(BranchError, match="second output to a"):
        address("x", [Output(b"1", None, False), Output(b"2", "a", False)], CHILDREN, one_to_one=True)


@given(outputs)
def test_every_child_answers_under_the_same_ids(given_out: list[Output]) -> None:
    addressed = address("x", given_out, CHILDREN, one_to_one=False)
    ids = {child: [found.item_id for found in addressed if found.child == child] for child in CHILDREN}
    assert sorted(ids["a"]) == sorted(ids["b"])
    assert len(set(ids["a"])) == len(ids["a"])


@given(outputs)
def test_every_output_reaches_every_child_it_was_for(given_out: list[Output]) -> None:
    addressed = address("x", given_out, CHILDREN, one_to_one=False)
    for child in CHILDREN:
        wanted = [output.payload for output in given_out if output.to in (None, child)]
        assert [found.payload for found in addressed if found.child == child and found.payload is not None] == wanted


@given(st.data())
def test_however_tasks_give_on_what_they_get_no_two_outputs_have_one_id(data: st.DataObject) -> None:
    ids = ["x"]
    for _ in range(3):  # tasks of a pipeline
        below: list[str] = []
        for item_id in ids:
            given_out = [Output(b"e", None, False)] * data.draw(st.integers(0, 2))
            given_out += [Output(b"v")] * data.draw(st.booleans())
            addressed = address(item_id, given_out, ("a",), one_to_one=False)
            below += [found.item_id for found in addressed if found.payload is not None]
        assert len(below) == len(set(below)), below
        ids = below


@given(st.text(), st.sampled_from(["round_robin", "by_key"]))
def test_a_route_chooses_the_same_child_again(key: str, route: str) -> None:
    assert chosen(route, key, CHILDREN) == chosen(route, key, CHILDREN)
    assert chosen(route, key, CHILDREN) in CHILDREN


def test_round_robin_spreads_items_over_the_children() -> None:
    counts = [
        sum(chosen("round_robin", f"run-{n}/0", ("a", "b", "c")) == child for n in range(3000)) for child in "abc"
    ]
    assert min(counts) > 850
