"""References to objects, in each of the forms they travel in."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import object_layout, reference
from runtime.pace import TARGET_S, Pace
from runtime.reference import DIGEST_HEADER, OBJECT_HEADER, SIZE_HEADER, Reference

SHA = "ab" * 32
references = st.builds(
    Reference,
    name=st.text(min_size=1, max_size=20),
    size_bytes=st.integers(0, 1 << 40),
    sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
)


@given(references)
def test_a_reference_survives_headers_and_records(found: Reference) -> None:
    assert reference.from_headers(found.headers()) == found
    assert reference.from_record(json.loads(json.dumps(found.to_record()))) == found


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {OBJECT_HEADER: "a"},
        {OBJECT_HEADER: "a", SIZE_HEADER: "-1", DIGEST_HEADER: SHA},
        {OBJECT_HEADER: "a", SIZE_HEADER: "1", DIGEST_HEADER: "x" * 64},
        {OBJECT_HEADER: "", SIZE_HEADER: "1", DIGEST_HEADER: SHA},
    ],
)
def test_what_only_looks_like_one_is_none(headers: dict[str, str]) -> None:
    assert reference.from_headers(headers) is None


@pytest.mark.parametrize(
    "record", [None, 5, {}, {"object": 1, "size_bytes": 1, "sha256": SHA}, {"object": "a", "size_bytes": 1}]
)
def test_a_letter_may_hold_anything(record: object) -> None:
    assert reference.from_record(record) is None


def test_a_description_keeps_what_others_wrote_there() -> None:
    written = object_layout.describe("b", "n", "id", 5, 1, 5, b"\x01" * 32, "now") | {"description": "mine"}
    info = object_layout.read_info(json.dumps(written).encode(), 7, 1.5)
    assert info is not None
    assert (info.name, info.size_bytes, info.sha256, info.sequence) == ("n", 5, "01" * 32, 7)
    changed = json.loads(info.noting("a", "b").encode())
    assert changed == written | {"metadata": {"a": "b"}}


@pytest.mark.parametrize(
    "payload", [b"", b"5", b"{", b"[]", b'{"name": "n"}', b'{"name":"n","nuid":"x","deleted":true}']
)
def test_what_describes_no_object_is_none(payload: bytes) -> None:
    assert object_layout.read_info(payload) is None


def test_a_transfer_takes_what_a_fast_connection_carries_and_one_piece_of_a_slow_one() -> None:
    pace = Pace(most=16)
    for _ in range(50):
        pace.took(TARGET_S / 10)
    assert pace.pieces == 16
    for _ in range(5):
        pace.took(TARGET_S * 10)
    assert pace.pieces == 1


@given(st.lists(st.floats(0, 10)))
def test_a_transfer_never_stops_and_never_floods(times_s: list[float]) -> None:
    pace = Pace(most=16)
    for elapsed_s in times_s:
        pace.took(elapsed_s)
        assert 1 <= pace.pieces <= 16
