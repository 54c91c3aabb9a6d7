"""What one worker prints: read from its standard output and error, passed on to the bus and to our standard error.

We read whatever comes, so that nobody who prints has to wait, and pass on no more than an allowance. The pipe
outlives the process: what it wrote last is read after its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from collections import deque
from collections.abc import Callable

from agents.stacks import is_of_dump, last_stack
from runtime import printed
from runtime.allowance import Allowance
from runtime.printed import BURST_LINES, LINES_PER_S, Printed, Splitter

PIPE_BYTES = 1 << 20
READ_BYTES = 256 << 10
LAST_WORDS = 400
LAST_READ_S = 0.2
"""For what is left in the pipe; processes that the worker left behind may fill it for ever."""
F_SETPIPE_SZ = getattr(fcntl, "F_SETPIPE_SZ", None)


class Output:
    """The pipe from one worker."""

    def __init__(
        self,
        name: str,
        node: str,
        *,
        publish: Callable[[bytes], bool],
        echo: Callable[[str], None],
        item: Callable[[], str],
    ) -> None:
        """`publish` and `echo` take lines, `item` tells which one is in work."""
        self._name = name
        self._node = node
        self._publish = publish
        self._echo = echo
        self._item = item
        self._splitter = Splitter()
        # Twice a worker's own, which has its own allowance for what Python prints.
        self._allowance = Allowance(2 * LINES_PER_S, 2 * BURST_LINES)
        self._is_closed = False
        self._is_dumping = False
        self._last_words: deque[str] = deque(maxlen=LAST_WORDS)
        self._loop = asyncio.get_running_loop()
        self._reader, self.descriptor = os.pipe()
        """`descriptor` is for the worker; `started` closes ours."""
        os.set_blocking(self._reader, False)
        if F_SETPIPE_SZ is not None:
            with contextlib.suppress(OSError):  # above what this user may have
                fcntl.fcntl(self._reader, F_SETPIPE_SZ, PIPE_BYTES)
        self._loop.add_reader(self._reader, self._read)

    def started(self) -> None:
        """The worker has its end of the pipe."""
        os.close(self.descriptor)

    def expect_dump(self) -> None:
        """The worker is asked for its stacks: all but that of user code is for nobody's eyes."""
        self._is_dumping = True

    def stack(self) -> str:
        """Where user code was when the process wrote its stacks down, read up to now."""
        return last_stack(self._last_words)

    def end(self) -> None:
        """Read what the worker wrote last, and let go; processes that it left behind write to nobody."""
        if self._is_closed:
            return
        self._is_closed = True
        deadline_s = time.monotonic() + LAST_READ_S
        while self._read() and time.monotonic() < deadline_s:
            pass
        for is_marked, line in self._splitter.end():
            self._take(is_marked, line)
        if self._is_dumping:
            for text in self.stack().splitlines():
                self._pass_on(self._output(text))
        self.say_left_out()
        self._loop.remove_reader(self._reader)
        os.close(self._reader)

    def _read(self) -> bool:
        try:
            data = os.read(self._reader, READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._reader)
            return False
        for is_marked, line in self._splitter.feed(data):
            self._take(is_marked, line)
        return True

    def _take(self, is_marked: bool, line: bytes) -> None:
        found = printed.decode(line) if is_marked else None
        if found is None:
            text = line.decode("utf-8", "backslashreplace")
            self._last_words.append(text)
            if self._is_dumping and is_of_dump(text):
                return
            found = self._output(text)
        if self._allowance.take(time.monotonic()):
            self._pass_on(found)

    def _output(self, text: str) -> Printed:
        return Printed(time.time(), "output", self._node, self._item(), text)

    def say_left_out(self) -> None:
        """Own up to what is missing; to be called now and then."""
        if count := self._allowance.tell_refused(time.monotonic()):
            self._pass_on(printed.left_out(Printed(time.time(), "", self._node, "", ""), count))

    def _pass_on(self, found: Printed) -> None:
        if not self._publish(found.encode()):
            self._allowance.refused += 1
        item = f" [{found.item_id}]" if found.item_id else ""
        self._echo(f"{self._name} {found.level}{item}: {found.line}")
