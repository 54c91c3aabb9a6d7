"""Task `global_fusion`: the streams' hosts become the result of one capture.

Each host is judged in the one stream that owns it, so the streams' lists are disjoint, and their scores
compare because they count how far limits were passed, not packets.
"""

from typing import Any

MAX_NAMED = 5  # a person looks at a handful; the rest is counted


def process(item: dict[str, Any], ctx: Any) -> dict[str, Any]:
    """The worst hosts first, ties by address, and what the capture held."""
    found = [
        {"host": host, "score": round(entry["score"], 3), "reasons": entry["reasons"]}
        for part in item.values()
        for host, entry in part["hosts"].items()
    ]
    found.sort(key=lambda anomaly: (-anomaly["score"], anomaly["host"]))
    return {
        "anomalies": found[:MAX_NAMED],
        "not_named": max(0, len(found) - MAX_NAMED),
        **next(iter(item.values()))["input"],
    }
