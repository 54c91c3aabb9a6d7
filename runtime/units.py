"""Amounts in the units that people would use."""

from __future__ import annotations


def seconds(value: float | None) -> str:
    """A duration in the unit people would use."""
    if value is None:
        return "-"
    if value >= 1:
        return f"{value:.3g} s"
    return f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.3g} µs"
