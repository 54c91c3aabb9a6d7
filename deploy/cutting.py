"""How a file becomes items: lines, k lines, or the whole of it. Pure; bytes come in as they are read.

An item of lines holds no line end: neither its last nor, on Windows files, the carriage return before it.
"""

from __future__ import annotations


class Cutter:
    """Feed it what was read; `finish` gives what the end of the file completes."""

    def __init__(self, kind: str | int) -> None:
        """`lines`, a number of lines, or `whole`: the application's `input`."""
        self._count = 1 if kind == "lines" else 0 if kind == "whole" else int(kind)
        self._rest: list[bytes] = []
        """The beginning of a line, or of the whole, in the pieces it came in."""
        self._lines: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """Items that are complete now."""
        if not self._count or b"\n" not in chunk:
            self._rest.append(chunk)
            return []
        *lines, rest = b"".join([*self._rest, chunk]).split(b"\n")
        self._rest = [rest]
        return self._group([line.removesuffix(b"\r") for line in lines])

    def finish(self) -> list[bytes]:
        """What is left: a last line without an end, fewer than k lines, or the whole."""
        rest = b"".join(self._rest)
        self._rest = []
        if not self._count:
            return [rest]
        items = self._group([rest.removesuffix(b"\r")]) if rest else []
        if self._lines:
            items.append(b"\n".join(self._lines))
            self._lines = []
        return items

    def _group(self, lines: list[bytes]) -> list[bytes]:
        if self._count == 1:
            return lines
        lines = self._lines + lines
        whole = len(lines) - len(lines) % self._count
        self._lines = lines[whole:]
        return [b"\n".join(lines[start : start + self._count]) for start in range(0, whole, self._count)]
