"""What a task prints and logs, one JSON object per line: `{"time", "level", "node", "id", "line"}`. Pure.

`time` is Unix time in seconds, `level` a level of logging, or `stdout`, `stderr` for what Python prints, or
`output` for what reaches the process's standard streams below Python (C code, child processes, an interpreter's
last words); `id` is the item in work, if one is known. From a worker to its parent such lines travel through the
worker's standard error, behind a mark, among whatever else is written there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

MARK = b"\x1e"
"""Record separator, as in JSON text sequences (RFC 7464)."""
RECORD_BYTES = 4096
"""PIPE_BUF: a write up to this size into a pipe is never mixed with another."""
LINES_PER_S = 500
BURST_LINES = 2000
"""Of one process; what it prints beyond is left out, and counted."""
LONGEST_LINE_CHARS = 16_000
_PIECE_CHARS = 3000


class Printed(NamedTuple):
    """One line."""

    time_s: float
    level: str
    node: str
    item_id: str
    line: str

    def encode(self) -> bytes:
        values = {
            "time": round(self.time_s, 3),
            "level": self.level,
            "node": self.node,
            "id": self.item_id,
            "line": self.line,
        }
        # Half a surrogate pair has no UTF-8 form; as an escape it is still JSON.
        return json.dumps(values, ensure_ascii=False).encode("utf-8", "backslashreplace")


def decode(data: bytes) -> Printed | None:
    """A line as it was encoded; None for anything else."""
    try:
        found = json.loads(data)
        return Printed(
            float(found["time"]), str(found["level"]), str(found["node"]), str(found["id"]), str(found["line"])
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def left_out(printed: Printed, count: int) -> Printed:
    """The line that says how many others are not there."""
    line = f"left out {count} lines: more than {LINES_PER_S} a second, or nobody took them in time"
    return printed._replace(level="WARNING", item_id="", line=line)


def records(printed: Printed) -> Iterator[bytes]:
    """The line behind marks, in as many records as it takes; the end of a very long one is left out."""
    text = printed.line
    if len(text) > LONGEST_LINE_CHARS:
        text = f"{text[:LONGEST_LINE_CHARS]}… (of {len(text)} characters)"
    size = min(_PIECE_CHARS, max(len(text), 1))
    for start in range(0, max(len(text), 1), size):
        yield from _fitting(printed._replace(item_id=printed.item_id[:600], line=text[start : start + size]))


def _fitting(printed: Printed) -> Iterator[bytes]:
    record = MARK + printed.encode() + b"\n"
    if len(record) <= RECORD_BYTES:
        yield record
    elif half := len(printed.line) // 2:
        yield from _fitting(printed._replace(line=printed.line[:half]))
        yield from _fitting(printed._replace(line=printed.line[half:]))


class Splitter:
    """Cuts what comes through a worker's standard error into lines: marked ones as they are, others as text."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[bool, bytes]]:
        """The lines that are complete now: (whether it was marked, the line)."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            yield from self._cut(line)
        if len(self._rest) > RECORD_BYTES:
            line, self._rest = self._rest, b""
            yield from self._cut(line)

    def end(self) -> Iterator[tuple[bool, bytes]]:
        """What was written last, without an end."""
        line, self._rest = self._rest, b""
        if line:
            yield from self._cut(line)

    @staticmethod
    def _cut(line: bytes) -> Iterator[tuple[bool, bytes]]:
        """A record may follow a line that C code has only begun."""
        begun, mark, record = line.partition(MARK)
        if begun or not mark:
            yield False, begun
        if mark:
            yield True, record
