"""Everything that a task prints and logs goes to its worker's parent, line by line, and never holds the task up.

The parent reads our standard output and error through one pipe. What Python prints is written there as records
that say which item printed it; what C code and child processes print arrives as it is. A line counts as said once
it is in the pipe: it outlives us. When the pipe is full, or lines come too fast, they are left out and counted.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import io
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from runtime.allowance import Allowance
from runtime.log_limit import LogLimit
from runtime.printed import BURST_LINES, LINES_PER_S, Printed, left_out, records
from runtime.slot import DUMP_SIGNAL

ITEM: ContextVar[str] = ContextVar("item", default="")
"""The item in work, for whoever prints."""
USER_LOGGERS = "jupiter"
"""Parent of the loggers that tasks get as `ctx.logger`."""
STDERR = 2


@contextlib.contextmanager
def about(item_id: str) -> Iterator[None]:
    """What is said in here is about that item, whichever is in work."""
    token = ITEM.set(item_id)
    try:
        yield
    finally:
        ITEM.reset(token)


class Lines:
    """The way out, for all threads."""

    def __init__(self, descriptor: int, node: str) -> None:
        self._descriptor = descriptor
        self._node = node
        self._allowance = Allowance(LINES_PER_S, BURST_LINES)
        self._lock = threading.RLock()
        self.left_out = 0
        """Lines, since the start."""

    def write(self, level: str, text: str) -> None:
        """Say one line, or count it as left out; never waits."""
        with self._lock:
            if not self._allowance.take(time.monotonic()):
                self.left_out += 1
                return
            if self._allowance.refused:
                self.say_left_out()
            if not self._put(Printed(time.time(), level, self._node, ITEM.get(), text)):
                self._allowance.refused += 1
                self.left_out += 1

    def say_left_out(self) -> None:
        """Own up to what is missing."""
        with self._lock:
            count = self._allowance.tell_refused(time.monotonic())
            if count and not self._put(left_out(Printed(time.time(), "", self._node, "", ""), count)):
                self._allowance.refused += count

    def _put(self, printed: Printed) -> bool:
        try:
            for record in records(printed):
                os.write(self._descriptor, record)
        except OSError:  # full, or nobody reads any more
            return False
        return True


class Stream(io.TextIOBase):
    """What stands in for `sys.stdout` and `sys.stderr`."""

    def __init__(self, lines: Lines, level: str, descriptor: int) -> None:
        self._lines = lines
        self._level = level
        self._descriptor = descriptor
        self._begun = threading.local()
        self.buffer = os.fdopen(descriptor, "wb", buffering=0, closefd=False)
        self.mode = "w"

    encoding = "utf-8"
    errors = "backslashreplace"

    def write(self, text: str) -> int:
        begun: str = getattr(self._begun, "text", "")
        if "\n" not in text:
            self._begun.text = begun + text
            if len(self._begun.text) > 1 << 16:
                self.flush()
            return len(text)
        *lines, self._begun.text = (begun + text).split("\n")
        for line in lines:
            self._lines.write(self._level, line)
        return len(text)

    def flush(self) -> None:
        """What is flushed counts as a line: it may be the last that is heard."""
        if begun := getattr(self._begun, "text", ""):
            self._begun.text = ""
            self._lines.write(self._level, begun)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def reconfigure(self, **_: Any) -> None:
        """As of a TextIOWrapper; there is nothing to choose."""


class Handler(logging.Handler):
    """Log records as lines; a traceback takes several."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        # Who says it goes without saying when it is the task itself.
        own = record.name.startswith(f"{USER_LOGGERS}.")
        try:
            text = self.format(record)
            for line in (text if own else f"{record.name}: {text}").split("\n"):
                self._lines.write(record.levelname, line)
        except Exception:
            self.handleError(record)


def install(node: str) -> Lines:
    """From now on, all that this process prints goes to its parent, which reads its standard error."""
    os.dup2(STDERR, 1)
    lines = Lines(_unblocked(STDERR), node)
    sys.stdout = Stream(lines, "stdout", 1)
    sys.stderr = Stream(lines, "stderr", STDERR)
    handler = Handler(lines)
    handler.addFilter(LogLimit(time.monotonic))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    logging.getLogger(USER_LOGGERS).setLevel(min(logging.INFO, root.level))
    _print_c_lines_at_once()
    faulthandler.enable(file=STDERR, all_threads=False)
    faulthandler.register(DUMP_SIGNAL, file=STDERR)
    return lines


def _unblocked(descriptor: int) -> int:
    """The same pipe through a descriptor that never waits; C code keeps the one that does, as it expects."""
    try:
        return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # no such file system
        return os.dup(descriptor)


def _print_c_lines_at_once() -> None:
    """C keeps what it prints into a pipe until a buffer is full, and a crash would take that away."""
    with contextlib.suppress(Exception):
        libc = ctypes.CDLL(None)
        stdout = ctypes.c_void_p.in_dll(libc, "stdout")
        libc.setvbuf(stdout, None, 1, 0)  # _IOLBF
