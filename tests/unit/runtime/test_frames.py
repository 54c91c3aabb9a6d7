"""Frames, reports and control messages: what is encoded is decoded, and nothing else is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import frames
from runtime.item import Control, Frame, Part, Report

counts = st.integers(0, 2**64 - 1)
words = st.text(max_size=20)
parts = st.builds(
    Part,
    root=counts,
    attempt=counts,
    mid=counts,
    item_id=words,
    payload=st.none() | st.binary(max_size=50),
    reason=words,
    headers=st.none() | st.dictionaries(words, words, max_size=3),
)
anything = st.recursive(
    st.none() | st.booleans() | counts | st.floats() | words | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(words, inner, max_size=3),
    max_leaves=20,
)
DECODERS: list[Callable[[bytes], Any]] = [frames.decode_frame, frames.decode_report, frames.decode_control]


@given(st.builds(Frame, words, counts, counts, counts, words, words, st.lists(parts, max_size=5)))
def test_a_frame_survives_the_wire(frame: Frame) -> None:
    assert frames.decode_frame(frames.encode_frame(frame)) == frame


@given(st.builds(Report, words, counts, st.lists(st.tuples(counts, counts, counts), max_size=5)))
def test_a_report_survives_the_wire(report: Report) -> None:
    assert frames.decode_report(frames.encode_report(report)) == report


@given(
    st.builds(
        Control, words, st.none() | counts, counts, st.lists(st.tuples(counts, counts, st.booleans()), max_size=5)
    )
)
def test_a_control_message_survives_the_wire(control: Control) -> None:
    assert frames.decode_control(frames.encode_control(control)) == control


@pytest.mark.parametrize("decode", DECODERS)
@given(data=st.binary(max_size=200))
def test_random_bytes_are_refused_with_a_value_error(decode: Callable[[bytes], Any], data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(data)


@pytest.mark.parametrize("decode", DECODERS)
@given(value=anything)
def test_any_other_message_is_refused_or_well_formed(decode: Callable[[bytes], Any], value: Any) -> None:
    try:
        decoded = decode(msgpack.packb(value))
    except ValueError:
        return
    assert all(type(entry) in (Part, tuple) for entry in decoded[-1])


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(ValueError, match="not a message of ours"):
        frames.decode_frame(b"\x91" * 100_000)


def test_a_frame_with_one_bad_part_is_refused_whole() -> None:
    good = Part(1, 1, 1, "id", b"x")
    for bad in ([1, 1, 1, "id"], [1, 1, -1, "id", b""], [1, 1, 1, 5, b""], [1, 1, 1, "id", "text"], [1] * 9):
        with pytest.raises(ValueError, match="part"):
            frames.decode_frame(msgpack.packb(["s", 1, 0, 0, "t", "h", [list(good), bad]]))
