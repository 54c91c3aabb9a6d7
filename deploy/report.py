"""What a run was: where everything ran, how much went through, how fast, and what was foretold. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.watch import Picture, node_of
from runtime.app import App
from runtime.units import seconds

COUNTS = ("in", "out", "results", "filtered", "dead", "errors")
STEADY_S = 1.0
"""A shorter run is mostly the way of its first items, and says nothing of the seconds per item in steady state."""


@dataclass(slots=True, kw_only=True)
class Figures:
    """What the launcher itself saw; seconds on one clock, None for what did not happen."""

    started_s: float
    first_input_s: float | None = None
    first_result_s: float | None = None
    last_end_s: float | None = None
    stored: int = 0
    ended: int = 0
    written: int = 0
    unfinished: int = 0
    dead_letters: int = 0
    restarts: int = 0
    is_stopped: bool = False
    """By its user, before it had ended by itself."""

    @property
    def elapsed_s(self) -> float | None:
        """From the first input stored to the last one ended."""
        if self.first_input_s is None or self.last_end_s is None:
            return None
        return self.last_end_s - self.first_input_s

    @property
    def items_per_s(self) -> float | None:
        elapsed_s = self.elapsed_s
        return self.ended / elapsed_s if elapsed_s else None


def build(
    app: App, picture: Picture, figures: Figures, dead: Sequence[dict[str, Any]], *, is_once: bool
) -> dict[str, Any]:
    """The report as plain values."""
    mapping = picture.mapping
    return {
        "app": app.name,
        "digest": app.digest,
        "stopped": figures.is_stopped,
        "algorithm": None if mapping is None else mapping.algorithm,
        "objective": app.objective if mapping is None else mapping.objective,
        "epoch": picture.epoch,
        "mapping": {} if mapping is None else {task: mapping.assignment.get(task) for task in app.graph.tasks},
        "why": "" if mapping is None else mapping.why,
        "predicted": {
            "makespan_s": None if mapping is None else mapping.makespan_s,
            "period_s": None if mapping is None else mapping.period_s,
        },
        "measured": _measured(app, picture, figures, is_once=is_once),
        "items": {
            "in": figures.stored,
            "ended": figures.ended,
            "results": figures.written,
            "unfinished": figures.unfinished,
            "dead_letters": figures.dead_letters,
            "resent": sum(picture.total(queue).get("resent", 0) for queue in app.segments),
        },
        "tasks": {task: _task(picture, task, figures.elapsed_s) for task in app.graph.tasks},
        "dead_letters": list(dead),
        "restarts": figures.restarts,
    }


def _measured(app: App, picture: Picture, figures: Figures, *, is_once: bool) -> dict[str, float | None]:
    """What is compared with the predictions: one item's time from end to end, and seconds per item."""
    elapsed_s = figures.elapsed_s
    latencies_s: Mapping[str, float] = {} if picture.head is None else picture.head.latencies_s
    if app.graph.queues:  # the gateway sees no further than to the next queue
        latencies_s = {"p50": elapsed_s} if is_once and elapsed_s else {}
    return {
        "makespan_s": latencies_s.get("p50") if is_once else None,
        "period_s": elapsed_s / figures.ended if elapsed_s and figures.ended else None,
        "elapsed_s": elapsed_s,
        "items_per_s": figures.items_per_s,
        "first_result_s": _since(figures.started_s, figures.first_result_s),
        "p50_s": latencies_s.get("p50"),
        "p99_s": latencies_s.get("p99"),
    }


def _task(picture: Picture, task: str, elapsed_s: float | None) -> dict[str, Any]:
    total = picture.total(task)
    beats = [beat for beat in picture.beats.values() if beat.task == task]
    busy_s = total.pop("busy_ms", 0) / 1000
    return {
        # While its worker is replaced, a task is where it is meant to be.
        "node": ", ".join(node_of(picture, task))
        or (picture.mapping.assignment.get(task, "") if picture.mapping else ""),
        **{name: total.get(name, 0) for name in COUNTS},
        "other": {name: count for name, count in sorted(total.items()) if name not in COUNTS and count},
        "rates": _rates(total, busy_s, elapsed_s) if elapsed_s else {},
        **{f"{name}_s": max(beat.latencies_s[name] for beat in beats) for name in ("p50", "p99") if _all(beats, name)},
    }


def _rates(total: Mapping[str, int], busy_s: float, elapsed_s: float) -> dict[str, float]:
    """Over the whole run, whoever ran the task meanwhile."""
    rates = {f"{name}_per_s": round(total.get(name, 0) / elapsed_s, 3) for name in ("in", "out", "results")}
    return {**rates, "busy_ratio": round(busy_s / elapsed_s, 4)}


def _all(beats: Sequence[Any], name: str) -> bool:
    return bool(beats) and all(name in beat.latencies_s for beat in beats)


def _since(start_s: float, end_s: float | None) -> float | None:
    return None if end_s is None else end_s - start_s


def summary(report: dict[str, Any]) -> list[str]:
    """The report in a few lines for people."""
    items, measured, predicted = report["items"], report["measured"], report["predicted"]
    speed = f", {measured['items_per_s']:,.0f} items/s" if measured["items_per_s"] else ""
    lines = [f"{counted(items['in'], 'input')}, {counted(items['results'], 'result')}{speed}"]
    if measured["p50_s"] is not None and measured["p99_s"] is not None:
        lines.append(f"from end to end: p50 {seconds(measured['p50_s'])}, p99 {seconds(measured['p99_s'])}")
    for what in ("makespan_s", "period_s"):
        if measured[what] is not None and predicted[what] is not None:
            name = what.removesuffix("_s")
            found = f"measured {seconds(measured[what])}"
            if what == "period_s" and measured["elapsed_s"] < STEADY_S:
                found = "the run was too short to measure it"
            elif what == "makespan_s":
                found += " for the first item, from sending it to reading its result"
            lines.append(f"{name}: predicted {seconds(predicted[what])}, {found}")
    if items["resent"]:
        lines.append(f"sent again: {counted(items['resent'], 'input')}")
    if items["dead_letters"]:
        lines.append(f"{counted(items['dead_letters'], 'DEAD LETTER', 'S')}: what failed for good gave no result")
        lines += [f"  {_letter(letter)}" for letter in report["dead_letters"]]
    return lines


def _letter(letter: dict[str, Any]) -> str:
    return f"task {letter.get('task')}, input {letter.get('seq') or letter.get('id')}: {letter.get('error')}"


def counted(count: int, what: str, ending: str = "s") -> str:
    """So many of a thing."""
    return f"{count:,} {what}{'' if count == 1 else ending}"
