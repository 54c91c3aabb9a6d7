"""Amounts in the units that people would use."""

from __future__ import annotations

_UNITS = (("s", 1.0), ("ms", 1e3), ("µs", 1e6))


def seconds(value: float | None) -> str:
    """A duration in the unit people would use."""
    if value is None:
        return "-"
    unit, scale = next((unit for unit in _UNITS if float(f"{value * unit[1]:.3g}") >= 1), _UNITS[-1])
    amount = value * scale
    return f"{amount:.0f} {unit}" if amount >= 100 else f"{amount:.3g} {unit}"


def size(value_bytes: int) -> str:
    """An amount of bytes in the unit people would use."""
    amount, units = float(value_bytes), iter(("B", "KiB", "MiB", "GiB", "TiB"))
    unit = next(units)
    while amount >= 999.5 and unit != "TiB":
        amount, unit = amount / 1024, next(units)
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 99.5 else f"{amount:.2g} {unit}"
