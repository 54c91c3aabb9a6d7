"""Files become items the same way, however they are read."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.cutting import Cutter


def cut(kind: str | int, *chunks: bytes) -> list[bytes]:
    cutter = Cutter(kind)
    return [item for chunk in chunks for item in cutter.feed(chunk)] + cutter.finish()


@pytest.mark.parametrize(
    ("kind", "content", "items"),
    [
        ("lines", b"", []),
        ("lines", b"one", [b"one"]),
        ("lines", b"one\ntwo\n", [b"one", b"two"]),
        ("lines", b"one\r\n\r\ntwo", [b"one", b"", b"two"]),
        ("lines", b"\n", [b""]),
        (1, b"one\ntwo", [b"one", b"two"]),
        (2, b"1\n2\n3\n4\n5\n", [b"1\n2", b"3\n4", b"5"]),
        (2, b"1\n2", [b"1\n2"]),
        (3, b"", []),
        ("whole", b"one\ntwo\n", [b"one\ntwo\n"]),
        ("whole", b"", [b""]),
    ],
)
def test_items_of_a_file(kind: str | int, content: bytes, items: list[bytes]) -> None:
    assert cut(kind, content) == items


@given(
    kind=st.sampled_from(["lines", "whole", 2, 3]),
    content=st.text("ab\r\n", max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=5),
)
def test_how_the_file_was_read_does_not_matter(kind: str | int, content: str, cuts: list[int]) -> None:
    data = content.encode()
    places = [0, *sorted(min(place, len(data)) for place in cuts), len(data)]
    chunks = [data[start:end] for start, end in itertools.pairwise(places)]
    assert cut(kind, *chunks) == cut(kind, data)


@given(lines=st.lists(st.text("abc ", max_size=5), max_size=20), count=st.integers(1, 5))
def test_no_line_is_lost_or_doubled(lines: list[str], count: int) -> None:
    items = cut(count, "".join(f"{line}\n" for line in lines).encode())
    assert [line for item in items for line in item.split(b"\n")] == [line.encode() for line in lines]
    assert all(item.count(b"\n") == count - 1 for item in items[:-1])
