"""What is held against items, as a note."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.charges import Charge, decode_charges, encode_charges

charges = st.builds(
    Charge,
    root=st.integers(0, (1 << 64) - 1),
    item_id=st.text(max_size=20),
    attempts=st.integers(0, 9),
    error=st.text(max_size=20),
    traceback=st.text(max_size=40),
    is_suspect=st.booleans(),
)


@given(st.lists(charges, unique_by=lambda charge: charge.key, max_size=8))
def test_what_is_written_is_read(held: list[Charge]) -> None:
    assert decode_charges(encode_charges(held, 1 << 16)) == {charge.key: charge for charge in held}


@given(st.lists(charges, unique_by=lambda charge: charge.key, max_size=8), st.integers(0, 400))
def test_the_last_ones_are_kept_when_not_all_fit(held: list[Charge], limit: int) -> None:
    note = encode_charges(held, limit)
    assert len(note) <= limit
    kept = list(decode_charges(note).values())
    assert kept == held[len(held) - len(kept) :]


@pytest.mark.parametrize("note", [b"x", b"{}", b"[1]", b'["1", "x", 0, "", "", false]', b"\xff"])
def test_what_is_no_note_is_refused(note: bytes) -> None:
    with pytest.raises(ValueError):
        decode_charges(note)
