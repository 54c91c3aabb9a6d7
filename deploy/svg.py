"""Pictures of a mapping, as SVG: the task graph coloured by node, and the schedule as a Gantt chart. Pure."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from runtime.units import seconds

BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y, MARGIN = 128, 44, 56, 22, 24
ROW_HEIGHT, CHART_WIDTH, LABEL_WIDTH = 26, 760, 120
LEGEND_HEIGHT = 30
TICKS = 6
INK, PALE = "#22303c", "#9aa7b1"
NARROW = 8
"""Pixels per letter that a bar needs for its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One task in the schedule."""

    task: str
    node: str
    start_s: float
    finish_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """What to draw. Tasks in topological order; a task without a colour of its own stands for home."""

    title: str
    nodes: Sequence[str]
    tasks: Sequence[str]
    edges: Sequence[tuple[str, str]]
    bars: Sequence[Bar]
    notes: Mapping[str, str] = field(default_factory=dict)
    """A line under the name of a task."""


def draw(drawing: Drawing) -> str:
    """The whole picture, a document by itself."""
    places = _places(drawing)
    graph_width = max((x for x, _ in places.values()), default=0) + BOX_WIDTH + MARGIN
    graph_height = max((y for _, y in places.values()), default=0) + BOX_HEIGHT + MARGIN
    rows = _rows(drawing)
    chart_top = 40 + LEGEND_HEIGHT + graph_height + 20
    width = max(graph_width, LABEL_WIDTH + CHART_WIDTH + 2 * MARGIN)
    height = chart_top + ROW_HEIGHT * len(rows) + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M0,0 L8,4 L0,8 z" fill="{PALE}"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        _text(MARGIN, 24, drawing.title, weight="bold"),
        *_legend(drawing.nodes),
        *_graph(drawing, places),
        *_chart(drawing, rows, chart_top),
        "</svg>\n",
    ]
    return "\n".join(parts)


def colours(nodes: Sequence[str]) -> dict[str, str]:
    """One light colour per node, as far apart as they can be."""
    found = {}
    for index, node in enumerate(nodes):
        # Steps of the golden ratio: any first few are well apart.
        red, green, blue = colorsys.hls_to_rgb((0.58 + index * 0.618034) % 1.0, 0.76, 0.55)
        found[node] = f"#{int(red * 255):02x}{int(green * 255):02x}{int(blue * 255):02x}"
    return found


def _places(drawing: Drawing) -> dict[str, tuple[float, float]]:
    """Columns by the longest way from a source; within one, by where the parents are."""
    column: dict[str, int] = {}
    parents: dict[str, list[str]] = {task: [] for task in drawing.tasks}
    for source, target in drawing.edges:
        parents[target].append(source)
    for task in drawing.tasks:
        column[task] = max((column[parent] + 1 for parent in parents[task]), default=0)
    line: dict[str, float] = {}
    tallest = max(list(column.values()).count(number) for number in set(column.values()))
    for number in sorted(set(column.values())):
        members = [task for task in drawing.tasks if column[task] == number]
        members.sort(key=lambda task: sum(line[p] for p in parents[task]) / len(parents[task]) if parents[task] else 0)
        for index, task in enumerate(members):
            line[task] = index + (tallest - len(members)) / 2
    top = 40 + LEGEND_HEIGHT
    return {
        task: (MARGIN + column[task] * (BOX_WIDTH + GAP_X), top + line[task] * (BOX_HEIGHT + GAP_Y))
        for task in drawing.tasks
    }


def _legend(nodes: Sequence[str]) -> Iterator[str]:
    x = float(MARGIN)
    for node, colour in colours(nodes).items():
        yield f'<rect x="{x}" y="36" width="14" height="14" rx="3" fill="{colour}" stroke="{INK}" stroke-width="0.5"/>'
        yield _text(x + 20, 48, node)
        x += 40 + 8 * len(node)


def _graph(drawing: Drawing, places: Mapping[str, tuple[float, float]]) -> Iterator[str]:
    colour = colours(drawing.nodes)
    node_of = {bar.task: bar.node for bar in drawing.bars}
    for source, target in drawing.edges:
        (x1, y1), (x2, y2) = places[source], places[target]
        x1, y1, y2 = x1 + BOX_WIDTH, y1 + BOX_HEIGHT / 2, y2 + BOX_HEIGHT / 2
        bend = (x2 - x1) / 2
        width = 1 if node_of.get(source) == node_of.get(target) else 2.5
        yield (
            f'<path d="M{x1:.1f},{y1:.1f} C{x1 + bend:.1f},{y1:.1f} {x2 - bend:.1f},{y2:.1f} {x2:.1f},{y2:.1f}" '
            f'fill="none" stroke="{PALE}" stroke-width="{width}" marker-end="url(#tip)"/>'
        )
    for task, (x, y) in places.items():
        fill = colour.get(node_of.get(task, ""), "white")
        yield f"<g><title>{escape(task)} on {escape(node_of.get(task, '?'))}</title>"
        yield (
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6" fill="{fill}" '
            f'stroke="{INK}" stroke-width="0.8"/>'
        )
        note = drawing.notes.get(task, node_of.get(task, ""))
        yield _text(x + BOX_WIDTH / 2, y + 19, _short(task, BOX_WIDTH), anchor="middle", weight="bold")
        yield _text(x + BOX_WIDTH / 2, y + 35, _short(note, BOX_WIDTH), anchor="middle") + "</g>"


def _rows(drawing: Drawing) -> list[tuple[str, list[Bar]]]:
    """Nodes in order, as many rows each as it runs tasks at once."""
    rows: list[tuple[str, list[Bar]]] = []
    for node in drawing.nodes:
        lanes: list[list[Bar]] = [[]]
        bars = sorted((bar for bar in drawing.bars if bar.node == node), key=lambda bar: (bar.start_s, bar.finish_s))
        for bar in bars:
            lane = next((lane for lane in lanes if not lane or lane[-1].finish_s <= bar.start_s), None)
            if lane is None:
                lane = []
                lanes.append(lane)
            lane.append(bar)
        rows += [(node if index == 0 else "", lane) for index, lane in enumerate(lanes)]
    return rows


def _chart(drawing: Drawing, rows: Sequence[tuple[str, Sequence[Bar]]], top: float) -> Iterator[str]:
    end_s = max((bar.finish_s for bar in drawing.bars), default=0.0) or 1.0
    left, colour = MARGIN + LABEL_WIDTH, colours(drawing.nodes)
    bottom = top + ROW_HEIGHT * len(rows)
    yield _text(MARGIN, top - 8, "one input, alone", weight="bold")
    for tick in range(TICKS + 1):
        x = left + CHART_WIDTH * tick / TICKS
        yield f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}" stroke="#e3e8ec"/>'
        yield _text(x, bottom + 16, seconds(end_s * tick / TICKS) if tick else "0", anchor="middle")
    for index, (node, bars) in enumerate(rows):
        y = top + ROW_HEIGHT * index
        yield _text(MARGIN, y + 17, _short(node, LABEL_WIDTH))
        for bar in bars:
            x, length = left + CHART_WIDTH * bar.start_s / end_s, CHART_WIDTH * (bar.finish_s - bar.start_s) / end_s
            times = f"{seconds(bar.start_s)} to {seconds(bar.finish_s)}"
            yield f"<g><title>{escape(bar.task)} on {escape(bar.node)}: {times}</title>"
            yield (
                f'<rect x="{x:.1f}" y="{y + 3:.1f}" width="{max(length, 1.0):.1f}" height="{ROW_HEIGHT - 6}" '
                f'fill="{colour[bar.node]}" stroke="{INK}" stroke-width="0.6"/>'
            )
            if length > NARROW * len(bar.task):
                yield _text(x + length / 2, y + 17, bar.task, anchor="middle")
            yield "</g>"


def _short(text: str, width: float) -> str:
    most = int(width / 7)
    return text if len(text) <= most else text[: most - 1] + "…"


def _text(x: float, y: float, content: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="{INK}">'
        f"{escape(content)}</text>"
    )
