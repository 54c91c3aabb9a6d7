"""Which objects go when, what they are called, and which inputs with objects may be in flight."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from circe.admission import Admission
from circe.litter import KEEP_S, ORPHAN_S, Litter, Thing
from circe.object_names import (
    INPUTS_NOTE,
    Place,
    Root,
    inputs_note,
    inputs_of,
    object_name,
    owner_token,
    places_of,
    root_of_name,
    root_of_pieces,
    stores_note,
)
from circe.pulse import LEASE_S

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True)
roots = st.builds(Root, names, st.integers(0, 1 << 62))


@given(roots, names, st.from_regex(r"[A-Za-z0-9_=~.-]{1,30}", fullmatch=True), st.integers(0, 99))
def test_an_outputs_object_tells_its_root(root: Root, task: str, item_id: str, number: int) -> None:
    assert root_of_name(object_name(root, task, item_id, number, "ab" * 32)) == root
    assert root_of_pieces(owner_token(root) + "0123456789abcdef") == root


@given(st.text())
def test_what_a_producer_puts_has_no_root(name: str) -> None:
    assert name.startswith("item/") or root_of_name(name) is None
    assert name.startswith("item-") or root_of_pieces(name) is None


@given(st.frozensets(st.integers(1, 1 << 62)))
def test_the_inputs_that_name_an_object_are_noted(inputs: frozenset[int]) -> None:
    assert inputs_of({INPUTS_NOTE: inputs_note(inputs)}) == inputs


def test_where_messages_lie_that_name_an_object_is_noted() -> None:
    places = (Place("home", "jupiter.app.put.task.run-1.2"), Place("next", "jupiter.app.queue.next.run-1"))
    assert places_of(stores_note(places)) == places
    assert places_of({}) == ()


def thing(name: str, *owners: Root, written_s: float = 0.0) -> Thing:
    return Thing(f"nuid {name}", name, frozenset(owners), written_s)


def test_an_object_goes_some_time_after_all_its_inputs_have_ended() -> None:
    one, two = Root("home", 1), Root("home", 2)
    litter, things = Litter(), [thing("both", one, two), thing("one", one)]

    def gone(now_s: float, *ended: Root) -> list[str]:
        return [each.name for each in litter.observe(now_s, 0.0, things, set(ended), all_read=True)]

    assert gone(0.0) == []
    assert gone(1.0, one) == []
    assert gone(1.0 + KEEP_S, one) == ["one"]
    assert gone(2.0 + KEEP_S, one, two) == ["one"]
    assert gone(2.0 + 2 * KEEP_S, one, two) == ["both", "one"]
    assert KEEP_S > LEASE_S


def test_an_object_that_an_input_names_again_stays() -> None:
    litter, things, root = Litter(keep_s=5.0), [thing("it", Root("home", 1))], {Root("home", 1)}
    assert litter.observe(0.0, 0.0, things, root, all_read=True) == []
    again = [thing("it", Root("home", 1), Root("home", 9))]
    assert litter.observe(4.0, 0.0, again, root, all_read=True) == []
    assert litter.observe(6.0, 0.0, things, root, all_read=True) == []


def test_what_no_input_names_is_litter_when_old_and_no_input_is_unread() -> None:
    litter, things = Litter(keep_s=0.0), [thing("old", written_s=100.0)]
    late_s = 101.0 + ORPHAN_S
    assert litter.observe(0.0, late_s, things, set(), all_read=False) == []
    assert litter.observe(1.0, late_s - 2.0, things, set(), all_read=True) == []
    assert litter.observe(2.0, late_s, things, set(), all_read=True) == things


@given(st.lists(st.integers(1, 100), max_size=30), st.integers(1, 60))
def test_inputs_with_objects_start_in_order_within_the_bound_and_all_of_them(sizes: list[int], bound: int) -> None:
    admission: Admission[int] = Admission(bound)
    started = [number for number, size in enumerate(sizes) if admission.admit(number, size)]
    ended = 0
    while ended < len(started):
        in_flight = started[ended:]
        assert len(in_flight) == 1 or sum(sizes[number] for number in in_flight) <= bound
        started += admission.ended(sizes[started[ended]])
        ended += 1
    assert started == list(range(len(sizes)))
    assert len(admission) == 0
