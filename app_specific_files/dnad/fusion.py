"""Tasks `fusion0`, `fusion1`, ...: one stream's two detectors become one list of hosts.

The threshold detector says what is wrong with a host. ASTUTE only says that flows moved together, which a
flash crowd does too: it counts half, so that it confirms easily and accuses alone only when it is sure.
"""

from typing import Any

ASTUTE_WEIGHT = 0.5
ALARM_SCORE = 1.0  # what a host has that just reaches one limit of the threshold detector


def process(item: dict[str, Any], ctx: Any) -> dict[str, Any]:
    """Hosts of this stream whose weighted scores reach an alarm."""
    hosts: dict[str, dict[str, Any]] = {}
    for parent in sorted(item, key=_is_astute):
        weight = ASTUTE_WEIGHT if _is_astute(parent) else 1.0
        for host, found in item[parent]["hosts"].items():
            entry = hosts.setdefault(host, {"score": 0.0, "reasons": []})
            entry["score"] += weight * found["score"]
            entry["reasons"] += found["reasons"]
    named = {host: entry for host, entry in sorted(hosts.items()) if entry["score"] >= ALARM_SCORE}
    return {"input": next(iter(item.values()))["input"], "hosts": named}


def _is_astute(parent: str) -> bool:
    return parent.startswith("astute")
