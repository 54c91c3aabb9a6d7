"""The quality table as a picture: per mapper and ratio the mean over the optimum, and how far the worst is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import mean
from typing import Protocol

WIDTH, LEFT, ROW, GAP = 860, 150, 15, 34
COLOURS = ("#2b7a78", "#d9822b", "#7a3b8f")
TICKS = (1.0, 1.1, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0)


class Measured(Protocol):
    @property
    def objective(self) -> str: ...
    @property
    def size(self) -> tuple[int, int]: ...
    @property
    def ratio(self) -> float: ...
    @property
    def mapper(self) -> str: ...
    @property
    def over_optimum(self) -> tuple[float, ...]: ...
    @property
    def percentile_95(self) -> float: ...


def draw(rows: Sequence[Measured]) -> str:
    """An SVG: a panel per objective, a line of marks per mapper, the ratios in colours."""
    ratios = list(dict.fromkeys(row.ratio for row in rows))
    mappers = list(dict.fromkeys(row.mapper for row in rows))
    panels = list(dict.fromkeys((row.objective, row.size) for row in rows))
    height = 60 + len(panels) * (GAP + 30 + ROW * (len(ratios) + 1) * len(mappers))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        _text(LEFT, 20, "mean (dot), 95 % (thick) and worst (thin) over the optimum; ratio of transfers to work:"),
    ]
    for index, ratio in enumerate(ratios):
        parts.append(_text(LEFT + 560 + 50 * index, 20, f"{ratio:g}", COLOURS[index]))
    top = 50
    for objective, size in panels:
        panel = [row for row in rows if (row.objective, row.size) == (objective, size)]
        bottom = top + 20 + ROW * (len(ratios) + 1) * len(mappers)
        parts += _axis(f"{objective}, {size[0]} x {size[1]}", top, bottom)
        for number, mapper in enumerate(mappers):
            y = top + 24 + number * ROW * (len(ratios) + 1)
            parts.append(_text(10, y + ROW, mapper))
            for index, ratio in enumerate(ratios):
                parts += _mark(next(r for r in panel if (r.mapper, r.ratio) == (mapper, ratio)), y + ROW * index, index)
        top = bottom + GAP
    return "\n".join([*parts, "</svg>\n"])


def _x(value: float) -> float:
    return LEFT + (WIDTH - LEFT - 30) * math.log(min(value, 13.0)) / math.log(13.0)


def _axis(title: str, top: int, bottom: int) -> Iterator[str]:
    yield f'<text x="10" y="{top + 10}" font-weight="bold">{title}</text>'
    for tick in TICKS:
        yield f'<line x1="{_x(tick):.1f}" y1="{top + 16}" x2="{_x(tick):.1f}" y2="{bottom}" stroke="#ddd"/>'
        yield _text(_x(tick) - 8, top + 10, f"{tick:g}", "#555")


def _mark(row: Measured, y: float, index: int) -> Iterator[str]:
    colour, middle = COLOURS[index], y + ROW / 2 - 4
    for value, width in ((max(row.over_optimum), 1), (row.percentile_95, 4)):
        yield (
            f'<line x1="{_x(1.0):.1f}" y1="{middle}" x2="{_x(value):.1f}" y2="{middle}" stroke="{colour}" '
            f'stroke-width="{width}" stroke-opacity="0.5"/>'
        )
    yield f'<circle cx="{_x(mean(row.over_optimum)):.1f}" cy="{middle}" r="4" fill="{colour}"/>'


def _text(x: float, y: float, content: str, colour: str = "#222") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}">{content}</text>'
