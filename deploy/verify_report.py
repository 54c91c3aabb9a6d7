"""The outcome of a verification as plain values and as a table. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from deploy.verdict import BREACHES, Left, Row, Verdict
from deploy.verify_plan import Fault
from runtime.units import seconds

COLUMNS = (
    "FAULT",
    "TIMES",
    "INPUTS",
    "RESULTS",
    "DEAD",
    "LOST",
    "DOUBLED",
    "INVENTED",
    "ENDED TWICE",
    "CHANGED",
    "STUCK",
    "RECOVERED AFTER",
    "SLOWEST INPUT",
)


@dataclass(slots=True, kw_only=True)
class Round:
    """One fault and what came of it."""

    fault: Fault | None
    """None is the quiet time after the last one."""
    not_done: str = ""
    """Why it could not be carried out."""
    took_s: float = 0.0
    """The disturbance itself."""
    recovery_s: float | None = None
    """From its end until every input that was acknowledged by then had ended; None for never."""
    slowest_s: float = 0.0
    """The longest an input's result took, of those sent around it."""

    @property
    def name(self) -> str:
        return "none" if self.fault is None else self.fault.kind.name


def report(rounds: Sequence[Round], verdict: Verdict, about: dict[str, Any]) -> dict[str, Any]:
    """Everything, for `--json`. `about` is what was run."""
    by_kind: dict[str, list[tuple[Round, Row]]] = {}
    for number, each in enumerate(rounds, 1):
        by_kind.setdefault(each.name, []).append((each, verdict.rows.get(number, Row())))
    return {
        **about,
        "is_clean": is_clean(rounds, verdict),
        "totals": {breach: verdict.total(breach) for breach in BREACHES},
        "left": asdict(verdict.left),
        "examples": {**verdict.examples, **({"left": [str(verdict.left)]} if verdict.left != Left() else {})},
        "faults": [_kind(name, found) for name, found in by_kind.items()],
        "rounds": [_round(each) for each in rounds],
    }


def is_clean(rounds: Sequence[Round], verdict: Verdict) -> bool:
    """Nothing is wrong and everything recovered."""
    return verdict.is_clean and all(each.not_done or each.recovery_s is not None for each in rounds)


def _kind(name: str, found: list[tuple[Round, Row]]) -> dict[str, Any]:
    done = [each for each, _ in found if not each.not_done]
    recoveries = [each.recovery_s for each in done if each.recovery_s is not None]
    return {
        "fault": name,
        "times": len(done),
        "not_done": len(found) - len(done),
        "inputs": sum(row.acknowledged for _, row in found),
        "results": sum(row.results for _, row in found),
        "dead": sum(row.dead for _, row in found),
        "repeats": sum(row.repeats for _, row in found),
        **{breach: sum(row.counts[breach] for _, row in found) for breach in BREACHES},
        "never_recovered": len(done) - len(recoveries),
        "recovery_median_s": statistics.median(recoveries) if recoveries else None,
        "recovery_max_s": max(recoveries, default=None),
        "slowest_s": max((each.slowest_s for each, _ in found), default=0.0),
    }


def _round(each: Round) -> dict[str, Any]:
    return {
        "fault": "none" if each.fault is None else str(each.fault),
        "not_done": each.not_done,
        "took_s": round(each.took_s, 3),
        "recovery_s": None if each.recovery_s is None else round(each.recovery_s, 3),
        "slowest_s": round(each.slowest_s, 3),
    }


def rows(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The table's lines, in the order of first occurrence, and their sum."""
    lines = [_line(each) for each in found["faults"]]
    sums = {name: sum(each[name] for each in found["faults"]) for name in ("times", "inputs", "results", "dead")}
    slowest_s = max((each["slowest_s"] for each in found["faults"]), default=0.0)
    totals = (found["totals"][breach] for breach in BREACHES)
    return [*lines, ("all", *(f"{count:,}" for count in sums.values()), *totals, "", seconds(slowest_s))]


def _line(each: dict[str, Any]) -> tuple[Any, ...]:
    times = str(each["times"]) + (f" ({each['not_done']} not done)" if each["not_done"] else "")
    if each["never_recovered"]:
        recovered = "NEVER"
    elif each["recovery_median_s"] is None:
        recovered = "-"
    else:
        recovered = seconds(each["recovery_median_s"])
        if each["times"] > 1:
            recovered += f", at most {seconds(each['recovery_max_s'])}"
    counts = (f"{each[name]:,}" for name in ("inputs", "results", "dead"))
    return (
        each["fault"],
        times,
        *counts,
        *(each[breach] for breach in BREACHES),
        recovered,
        seconds(each["slowest_s"]),
    )


def sentences(found: dict[str, Any]) -> list[str]:
    """What is wrong, in words; or that nothing is."""
    if found["is_clean"]:
        return [f"clean: every input ended once (seed {found['seed']})"]
    lines = [f"{name.replace('_', ' ')}: {words}" for name, each in found["examples"].items() for words in each]
    lines += [f"never recovered: {each['fault']}" for each in found["faults"] if each["never_recovered"]]
    return [f"BREACHES (seed {found['seed']}):", *(f"  {line}" for line in lines)]
