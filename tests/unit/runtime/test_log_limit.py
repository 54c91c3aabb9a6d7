"""The limit of log lines: a flood leaves a few lines and their number, and hides nothing else."""

from __future__ import annotations

import logging

from runtime.log_limit import BURST_LINES, LINES_PER_S, LogLimit


def test_a_flood_of_one_kind_is_a_few_lines_and_their_number() -> None:
    now_s = 100.0
    limit = LogLimit(lambda: now_s)

    def say(level: int, text: str, *arguments: object, name: str = "runtime.a") -> str | None:
        record = logging.LogRecord(name, level, "a.py", 1, text, arguments, None)
        return record.getMessage() if limit.filter(record) else None

    said = [say(logging.WARNING, "refused %s", number) for number in range(10_000)]
    assert [text for text in said if text] == [f"refused {number}" for number in range(BURST_LINES)]
    assert say(logging.ERROR, "refused %s", 1) == "refused 1"
    assert say(logging.WARNING, "another kind") == "another kind"
    assert all(say(logging.INFO, "told %s", number) for number in range(100))
    assert all(say(logging.WARNING, "item %s", number, name="jupiter.app.task") for number in range(100))
    now_s += 1 / LINES_PER_S
    assert say(logging.WARNING, "refused %s", "again") == f"refused again (and {10_000 - BURST_LINES:,} like it before)"
    now_s += 1 / LINES_PER_S
    assert say(logging.WARNING, "refused %s", "again") == "refused again"
