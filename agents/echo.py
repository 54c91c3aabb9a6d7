"""Lines to our own standard error from a thread of its own: who reads it slowly must not stop the agent."""

from __future__ import annotations

import queue
import sys
import threading

QUEUED_LINES = 5000
PIECE_LINES = 500


class Echo:
    """Never waits; what does not fit is left out and said to be."""

    def __init__(self) -> None:
        self._lines: queue.Queue[str] = queue.Queue(QUEUED_LINES)
        self._left_out = 0
        threading.Thread(target=self._write, name="echo", daemon=True).start()

    def say(self, line: str) -> None:
        """Write a line, soon."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._left_out += 1

    def _write(self) -> None:
        while True:
            lines = [self._lines.get()]
            while not self._lines.empty() and len(lines) < PIECE_LINES:
                lines.append(self._lines.get())
            left_out, self._left_out = self._left_out, 0
            if left_out:
                lines.append(f"left out {left_out} lines of tasks: nobody took them in time")
            try:
                sys.stderr.write("".join(f"{line}\n" for line in lines))
                sys.stderr.flush()
            except (OSError, ValueError):  # nobody reads it any more
                return
