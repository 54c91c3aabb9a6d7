"""Batches, and inputs that cannot be read, before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy import ingest
from deploy.ingest import batches, check_input
from deploy.results import check_output
from runtime.errors import UsageError


@given(st.lists(st.integers(0, ingest.BATCH_BYTES * 2), max_size=20))
def test_batches_hold_everything_in_order_and_are_bounded(sizes: list[int]) -> None:
    items = [memoryview(bytes(2 * ingest.BATCH_BYTES))[:size] for size in sizes]
    found = list(batches(items))  # type: ignore[arg-type] # views, so that no megabytes are copied
    assert [item for batch in found for item in batch] == items
    for batch in found:
        assert 0 < len(batch) <= ingest.BATCH_ITEMS
        assert len(batch) == 1 or sum(len(item) for item in batch) <= ingest.BATCH_BYTES


def test_many_small_items_fill_batches() -> None:
    assert [len(batch) for batch in batches([b"x"] * 600)] == [256, 256, 88]


def test_inputs_that_cannot_be_read(tmp_path: Path) -> None:
    check_input("-")
    with pytest.raises(UsageError, match=r"nothing\.txt does not exist"):
        check_input(str(tmp_path / "nothing.txt"))
    with pytest.raises(UsageError, match="is a folder"):
        check_input(str(tmp_path))


def test_outputs_that_cannot_be_written(tmp_path: Path) -> None:
    check_output(None)
    check_output(str(tmp_path / "out.jsonl"))
    with pytest.raises(UsageError, match="folder of the output"):
        check_output(str(tmp_path / "no" / "out.jsonl"))
    with pytest.raises(UsageError, match="is a folder"):
        check_output(str(tmp_path))
