"""Durations as people read them."""

from __future__ import annotations

import pytest

from runtime.units import seconds


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0 µs"),
        (4.27e-7, "0.427 µs"),
        (0.0009999, "1 ms"),
        (0.0123456, "12.3 ms"),
        (0.99999, "1 s"),
        (999.9, "1000 s"),
        (20_000.5, "20000 s"),
    ],
)
def test_durations_have_three_digits_and_no_exponent(value: float | None, text: str) -> None:
    assert seconds(value) == text
