"""Frames, reports and control messages: what is encoded is decoded, and nothing else is taken."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import frames
from runtime.item import Control, Frame, Part, Report
from runtime.reference import Reference

counts = st.integers(0, frames.MAX_COUNT - 1)
mids = st.integers(0, 2**64 - 1)
words = st.text(max_size=20)
names = st.from_regex(r"[A-Za-z0-9_=~-]{1,20}", fullmatch=True)
ids = st.from_regex(r"[a-z0-9]{6}-~?[A-Za-z0-9_=-]{1,9}(\.[1-9]){0,2}", fullmatch=True)
plain = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), max_size=20)
references = st.builds(
    Reference,
    name=st.text(min_size=1, max_size=20),
    size_bytes=counts,
    sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
)
parts = st.builds(
    Part,
    root=counts,
    attempt=counts,
    mid=mids,
    item_id=ids,
    payload=st.none() | st.binary(max_size=50) | references,
    reason=words,
    headers=st.none() | st.dictionaries(plain, plain, max_size=3),
)
anything = st.recursive(
    st.none() | st.booleans() | counts | st.floats() | words | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(words, inner, max_size=3),
    max_leaves=20,
)
DECODERS: list[Callable[[bytes], Any]] = [frames.decode_frame, frames.decode_report, frames.decode_control]


@given(st.builds(Frame, names, counts, counts, counts, names, names, st.lists(parts, max_size=5)))
def test_a_frame_survives_the_wire(frame: Frame) -> None:
    assert frames.decode_frame(frames.encode_frame(frame)) == frame


@given(st.builds(Report, names, counts, st.lists(st.tuples(counts, counts, mids), max_size=5)))
def test_a_report_survives_the_wire(report: Report) -> None:
    assert frames.decode_report(frames.encode_report(report)) == report


@given(
    st.builds(
        Control, names, st.none() | counts, counts, st.lists(st.tuples(counts, counts, st.booleans()), max_size=5)
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


REFERRED = [1, 1, 1, "id", ["name", 5, "no digest"]]


def test_a_frame_with_one_bad_part_is_refused_whole() -> None:
    good = Part(1, 1, 1, "id", b"x")
    for bad in ([1, 1, 1, "id"], [1, 1, -1, "id", b""], [1, 1, 1, 5, b""], [1, 1, 1, "id", "text"], [1] * 9, REFERRED):
        with pytest.raises(ValueError, match="part"):
            frames.decode_frame(msgpack.packb(["s", 1, 0, 0, "t", "h", [list(good), bad]]))


@pytest.mark.parametrize("name", ["", "a b", "a.b", "*", ">", "é", "a\r\nPUB x 0", "n" * 257])
def test_what_is_no_name_would_be_no_subject(name: str) -> None:
    for number in (0, 4, 5):
        header: list[Any] = ["s", 1, 0, 0, "t", "h", []]
        header[number] = name
        with pytest.raises(ValueError, match="header"):
            frames.decode_frame(msgpack.packb(header))
    for decode, rest in ((frames.decode_report, [1, []]), (frames.decode_control, [1, 1, []])):
        with pytest.raises(ValueError, match="header"):
            decode(msgpack.packb([name, *rest]))


@pytest.mark.parametrize("item_id", ["", "a b", ".a", "a.", "a..b", "*", "a.>", "a\n", "a\r\n"])
def test_what_is_no_id_would_be_no_subject(item_id: str) -> None:
    rows = [list(Part(1, 1, 1, each, b"")) for each in ("r-1", item_id)]
    for given_rows in (rows, rows[::-1]):
        with pytest.raises(ValueError, match="id"):
            frames.decode_frame(msgpack.packb(["s", 1, 0, 0, "t", "h", given_rows]))


@pytest.mark.parametrize("headers", [{"a": 1}, {"a": "b\r\nc"}, {"a\n": "b"}, {"a": ["b"]}, {b"a": "b"}])
def test_what_is_no_header_is_refused(headers: dict[Any, Any]) -> None:
    with pytest.raises(ValueError, match="part"):
        frames.decode_frame(msgpack.packb(["s", 1, 0, 0, "t", "h", [[1, 1, 1, "id", b"", "", headers]]]))


@pytest.mark.parametrize("count", [frames.MAX_COUNT, 2**64 - 1, -1, 1.0, True])
def test_numbers_whose_sums_could_not_be_sent_are_refused(count: Any) -> None:
    for place in (1, 2, 3):
        header: list[Any] = ["s", 1, 0, 0, "t", "h", []]
        header[place] = count
        with pytest.raises(ValueError, match="header"):
            frames.decode_frame(msgpack.packb(header))
    with pytest.raises(ValueError, match="part"):
        frames.decode_frame(msgpack.packb(["s", 1, 0, 0, "t", "h", [[count, 1, 1, "id", b""]]]))


@pytest.mark.parametrize("unit", [b"\x90", b"\x80", b"\x91\x90", b"\xdc\xff\xff" + b"\x90" * 65535])
def test_a_bomb_of_lists_does_not_unfold(unit: bytes) -> None:
    data = b"\x97\xa1s\x01\x00\x00\xa1t\xa1h\xdc\xff\xff" + unit * (frames.LARGE_BYTES * 4 // len(unit))
    tracemalloc.start()
    for decode in DECODERS:
        with pytest.raises(ValueError, match="not a message of ours"):
            decode(data)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 16 << 20


def test_a_large_part_is_no_bomb() -> None:
    large = Frame("s", 1, 0, 0, "t", "h", [Part(1, 1, 1, "id", bytes(frames.LARGE_BYTES + 1), "", {"a": "b"})])
    assert frames.decode_frame(frames.encode_frame(large)) == large
