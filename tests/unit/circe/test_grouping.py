"""When groups close, and what the journal and a group's payload say."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circe.grouping import Bounds, Formed, Grouping
from circe.groups import MOST_ID_CHARS, STATE_BYTES, Group, State, decode_state, encode_state, group_id, pack, unpack
from runtime.graph import Gather

WIDE = Bounds(items=1000, size_bytes=1 << 20, group_bytes=1 << 20)
sequences = st.lists(st.integers(1, 1 << 40), unique=True, min_size=1, max_size=8).map(tuple)


def grouping(bounds: Bounds = WIDE, **rule: float) -> tuple[Grouping, Counter[str]]:
    counts: Counter[str] = Counter()
    return Grouping(Gather(**rule), bounds, counts), counts  # type: ignore[arg-type] # test shorthand


def add(found: Grouping, *items: tuple[str, int], now_s: float = 0.0, size_bytes: int = 1) -> list[Formed]:
    return [
        formed for key, sequence in items for formed in found.add(key, sequence, size_bytes, is_last=False, now_s=now_s)
    ]


def test_a_group_closes_with_its_number_of_items_each_key_for_itself() -> None:
    found, counts = grouping(count=2)
    assert add(found, ("a", 1), ("b", 2), ("b", 3), ("a", 4)) == [Formed("b", (2, 3)), Formed("a", (1, 4))]
    assert found.due_s is None
    assert counts == {"groups.count": 2}


def test_a_group_closes_with_its_last_item() -> None:
    found, counts = grouping(count=10)
    add(found, ("a", 1))
    assert found.add("a", 2, 1, is_last=True, now_s=0.0) == [Formed("a", (1, 2))]
    assert found.add("a", 3, 1, is_last=True, now_s=0.0) == [Formed("a", (3,))]
    assert counts == {"groups.item": 2}


def test_a_group_closes_by_time_from_its_first_item_on() -> None:
    found, counts = grouping(within_s=5.0)
    add(found, ("a", 1), now_s=1.0)
    add(found, ("b", 2), ("a", 3), now_s=3.0)
    assert found.due_s == 6.0
    assert found.due(5.9) == []
    assert found.due(6.0) == [Formed("a", (1, 3))]
    assert found.due_s == 8.0
    assert found.due(100.0) == [Formed("b", (2,))]
    assert counts == {"groups.time": 2}


def test_what_open_groups_hold_is_bounded_the_oldest_closes_first() -> None:
    found, counts = grouping(Bounds(items=3, size_bytes=1000, group_bytes=1000))
    assert add(found, ("a", 1), ("b", 2), ("c", 3)) == []
    assert add(found, ("d", 4)) == [Formed("a", (1,))]
    assert counts == {"groups.bound": 1}


def test_a_group_has_no_more_bytes_than_travel() -> None:
    found, counts = grouping(Bounds(items=100, size_bytes=1000, group_bytes=100))
    assert add(found, ("a", 1), ("a", 2), size_bytes=40) == []
    assert add(found, ("a", 3), size_bytes=40) == [Formed("a", (1, 2))]
    assert add(found, ("a", 4), size_bytes=500) == [Formed("a", (3,))]  # too large for a group with anybody
    assert counts == {"groups.bound": 2}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 50), st.booleans()), max_size=40))
def test_no_item_is_left_out_or_twice_and_no_bound_is_passed(items: list[tuple[str, int, bool]]) -> None:
    bounds = Bounds(items=5, size_bytes=200, group_bytes=80)
    found, _ = grouping(bounds, count=4)
    formed = []
    for sequence, (key, size_bytes, is_last) in enumerate(items):
        formed += found.add(key, sequence, size_bytes, is_last=is_last, now_s=0.0)
        assert found._items <= bounds.items
        assert found._size_bytes <= bounds.size_bytes
    formed += found.due(1000.0)
    assert sorted(each for group in formed for each in group.sequences) == list(range(len(items)))
    assert all(len({items[each][0] for each in group.sequences}) == 1 for group in formed)
    assert (found._items, found._size_bytes) == (0, 0)


@settings(max_examples=20)
@given(
    st.text(),
    st.integers(0, 1 << 40),
    st.frozensets(st.integers(1, 1 << 40)),
    st.lists(st.builds(Group, st.integers(1, 1 << 40), st.text(), sequences)),
)
def test_the_journal_says_what_it_was_told(source: str, high: int, still: frozenset[int], groups: list[Group]) -> None:
    state = State(source, high, still, tuple(groups))
    assert decode_state(encode_state(state, "g-1", 7)) == (state, "g-1", 7)


@given(st.lists(st.binary()))
def test_a_group_has_its_members(payloads: list[bytes]) -> None:
    assert unpack(pack(payloads)) == payloads


@given(st.binary())
def test_what_is_no_group_and_no_journal_is_refused(payload: bytes) -> None:
    for read in (unpack, decode_state):
        try:
            read(payload)
        except ValueError:
            continue


@pytest.mark.parametrize("first", ["run-7", "run-~" + "y" * 500])
@pytest.mark.parametrize("key", ["a b", "", "Grüße.*>", "x" * 2000])
def test_an_id_is_safe_in_a_subject_short_and_its_own(first: str, key: str) -> None:
    found = group_id(first, key)
    assert found.startswith("run-")
    assert set(found) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=~.")
    assert len(found) <= MOST_ID_CHARS
    assert found not in (group_id(first, f"{key}x"), group_id(f"{first}x", key))


def test_the_journal_of_all_that_a_gather_may_hold_is_a_message() -> None:
    groups = tuple(Group(1 << 40, "x" * MOST_ID_CHARS, ((1 << 40) + n,)) for n in range(1000))
    state = State("1767323045.500000", 1 << 40, frozenset(), groups)
    assert len(encode_state(state, "worker-01234567", 1 << 40)) <= 1000 * STATE_BYTES
