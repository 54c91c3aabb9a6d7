"""Rows of tables, from the plain values that `--json` prints. Pure."""

from __future__ import annotations

from typing import Any

from deploy.report import COUNTS
from runtime.network import HOME
from runtime.units import seconds, size

MIB = 1 << 20

APP_COLUMNS = ("APP", "STATE", "MAPPING", "IN/S", "IN FLIGHT", "LAG", "RESULTS UNREAD", "DEAD LETTERS", "P50")


def app_row(found: dict[str, Any]) -> tuple[Any, ...]:
    """One application in the overview."""
    mapping = f"{found['algorithm']} @{found['epoch']}" if found["algorithm"] else "-"
    rate = found["rates"].get("in_per_s", 0.0)
    waits = (found["in_flight"], found["lag"], found["results_unread"], found["dead_letters"])
    return (
        found["app"],
        brief(found["state"]),
        mapping,
        f"{rate:,.0f}",
        *waits,
        seconds(found["latencies_s"].get("p50")),
    )


def brief(state: str) -> str:
    """A state in a word or two; what it is about stands below the table."""
    for known in ("in place", "waiting", "moving", "not obeyed"):
        if state.startswith(known):
            return known
    return "not mapped"


def is_news(found: dict[str, Any]) -> bool:
    """Whether what the dispatcher says is more than what the state says anyway."""
    said = found["dispatcher"]
    return bool(said) and not said.startswith("waiting for") and said not in found["state"]


QUEUE_COLUMNS = ("QUEUE OF", "READ BY", "IN FLIGHT", "LAG", "HELD", "BYTES", "OF")


def queue_row(task: str, queue: dict[str, Any]) -> tuple[Any, ...]:
    """One inner queue."""
    held = (queue["in_flight"], queue["lag"], queue["messages"], size(queue["bytes"]), size(queue["max_bytes"]))
    return (task, queue["head"] or "nobody", *held)


WORKER_COLUMNS = (
    "TASK",
    "NODE",
    "INCARNATION",
    "STATE",
    *(name.upper() for name in COUNTS),
    "IN/S",
    "BACKLOG",
    "P50",
    "P99",
)


def worker_row(worker: dict[str, Any]) -> tuple[Any, ...]:
    """One worker, or the gateway."""
    counts, rates, latencies_s = worker["counts"], worker["rates"], worker["latencies_s"]
    backlog = rates.get("in_flight" if worker["task"] == HOME else "backlog", 0)
    return (
        worker["task"],
        worker["node"],
        worker["incarnation"],
        worker["state"],
        *(f"{counts.get(name, 0):,}" for name in COUNTS),
        f"{rates.get('in_per_s', 0.0):,.0f}",
        int(backlog),
        seconds(latencies_s.get("p50")),
        seconds(latencies_s.get("p99")),
    )


NODE_COLUMNS = ("NODE", "CORES", "BUSY", "LOAD", "MEMORY", "FREE", "SPEED", "HOST", "AGE")


def node_row(node: dict[str, Any]) -> tuple[Any, ...]:
    """One node."""
    return (
        node["node"],
        f"{node['cores']:g}",
        f"{node['busy_cores']:.2f}",
        f"{node['load_ratio']:.0%}",
        f"{node['memory_bytes'] / MIB:,.0f} MiB",
        f"{node['memory_available_bytes'] / MIB:,.0f} MiB",
        f"{node['speed_score']:.1f}",
        node["host"],
        "gone" if node["gone"] else seconds(node["age_s"]),
    )


def link_matrix(found: list[dict[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and rows: from the row's node to the column's."""
    names = list(dict.fromkeys([link["source"] for link in found] + [link["target"] for link in found]))
    cells = {(link["source"], link["target"]): _link(link) for link in found}
    ages = {link["source"]: seconds(link["age_s"]) for link in found}
    rows = [(name, *(cells.get((name, other), "·") for other in names), ages.get(name, "-")) for name in names]
    return ("FROM \\ TO", *names, "AGE"), rows


def _link(link: dict[str, Any]) -> str:
    if link["state"] == "down":
        return "down"
    text = f"{seconds(link['latency_s'])} {link['bandwidth_bytes_per_s'] / MIB:,.0f} MiB/s"
    return text if link["state"] == "ok" else f"{text} ({link['state']})"


MAPPING_COLUMNS = ("TASK", "MAPPED TO", "RUNS ON", "PREDICTED", "MEASURED")


def mapping_rows(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Task, where the mapping puts it, where it is, what was foretold, what it takes."""
    measured = found["measured"]["task_p50_s"]
    return [
        (
            task,
            found.get("mapping", {}).get(task, "-"),
            ", ".join(places) or "-",
            seconds(found.get("task_s", {}).get(task)),
            seconds(measured.get(task)),
        )
        for task, places in found["places"].items()
    ]


PROFILE_COLUMNS = ("TASK", "NODE", "MEDIAN", "LEAST", "SPREAD", "COLD", "CPU", "RUNS", "OUT", "FROM")


def profile_row(found: dict[str, Any]) -> tuple[Any, ...]:
    """One task on one node, or why it has no times there."""
    if "failure" in found:
        return (found["task"], found["node"], "failed", "", "", "", "", "", "", found["failure"])
    times = (seconds(found[name]) for name in ("median_s", "min_s", "spread_s", "cold_s", "cpu_s"))
    out = ", ".join(f"{child} {size:,.0f} B" for child, size in found["output_bytes"].items())
    return (found["task"], found["node"], *times, found["runs"], out, found["source"])
