"""The watch over one worker: its shared memory, its output, and the end of it when it hangs in an item.

Made before the process starts, asked for its verdict after it ended.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path

from agents.hangs import NOBODY, Overdue, Watch, is_lost, pause_s
from agents.output import Output
from agents.verdict import Death, Verdict, judge
from runtime import children
from runtime.clock import clock_s
from runtime.slot import DUMP_SIGNAL, SIZE_BYTES, Call, Slots

logger = logging.getLogger(__name__)

DUMP_S = 0.2
"""What a process that hangs may take to write its stacks down."""
SILENT_S = 1.5
"""Without a beat for so long, a worker in an item is spoken for."""
SPEAK_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ward:
    """Who is watched over, and who is to hear of it."""

    task: str
    node: str
    timeout_s: float | None
    publish: Callable[[bytes], bool]
    """Takes a line of its output for the bus."""
    echo: Callable[[str], None]
    """Takes a line of its output for our own."""


class Guard:
    """Of one worker."""

    def __init__(self, ward: Ward) -> None:
        self._timeout_s = ward.timeout_s
        self._watch = Watch(ward.timeout_s)
        self._overdue: Overdue | None = None
        self._oom_kills = deque([oom_kills()], maxlen=2)
        """At the last two looks: the kernel counts a kill a little before the process is seen to have ended."""
        self.descriptor = _shared_memory()
        """For the worker, like that of `output`."""
        self.slots = Slots(memoryview(mmap(self.descriptor, SIZE_BYTES)))
        self.output = Output(ward.task, ward.node, publish=ward.publish, echo=ward.echo, item=self._item)

    def started(self) -> None:
        """The worker has its descriptors, or there will be none."""
        os.close(self.descriptor)
        self.output.started()

    async def watch(self, process: asyncio.subprocess.Process, speak: Callable[[], Awaitable[bool]]) -> None:
        """Until cancelled, or until the worker had to be ended.

        `speak` says for it that it lives, and returns whether that was heard.
        """
        spoke_s = 0.0
        while True:
            await asyncio.sleep(pause_s(self._timeout_s))
            now_s = time.monotonic()
            self._oom_kills.append(oom_kills())
            self.output.say_left_out()
            calls, beat_s = self.slots.calls(), self.slots.beat_s
            is_silent = now_s - beat_s > SILENT_S
            if is_lost(now_s, beat_s, spoke_s):
                self._overdue = NOBODY
                return await self._end(process)
            if is_silent and is_stopped(process.pid):
                continue  # somebody has stopped it (SIGSTOP): that is no fault of the item it is in
            overdue = self._look(now_s, calls, beat_s)
            if overdue.calls:
                self._overdue = overdue
                return await self._end(process)
            if calls and is_silent and now_s - spoke_s > SPEAK_S:
                # It does not let go of the interpreter. Work goes on, so nobody may take it for dead.
                spoke_s, spoken_s = now_s, clock_s()
                if await speak():
                    self.slots.renew(spoken_s)

    def _look(self, now_s: float, calls: list[Call], beat_s: float) -> Overdue:
        step, is_loop = self.slots.current(), self.slots.is_loop
        return self._watch.look(now_s, calls, is_loop=is_loop, step=step, beat_s=beat_s)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        """First its stacks, then its life."""
        logger.info("process %d hangs: ending it", process.pid)
        self.output.expect_dump()
        children.send_signal(process, DUMP_SIGNAL)
        await asyncio.sleep(DUMP_S)
        children.kill(process)

    def judge(self, status: int) -> tuple[Verdict, str]:
        """Once it has ended: who is to blame, and where user code was, if that is known."""
        self.close()
        # The count is the machine's: what was killed long ago, or elsewhere, has nothing to do with this death.
        before, after = self._oom_kills[0], oom_kills()
        verdict = judge(
            Death(
                status=status,
                calls=self.slots.calls(),
                last_calls=self.slots.last_calls(),
                step=self.slots.current(),
                is_leaving=self.slots.is_leaving,
                overdue=self._overdue,
                timeout_s=self._timeout_s or 0.0,
                is_out_of_memory=after is not None and after != before,
            )
        )
        return verdict, self.output.stack()

    def close(self) -> None:
        """What it printed last is passed on."""
        self.output.end()

    def _item(self) -> str:
        calls = self.slots.calls()
        return calls[0].item_id if len(calls) == 1 else ""


def _shared_memory() -> int:
    """A file without a name: nothing is left of it when nobody has it open."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("jupiter-slots")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, SIZE_BYTES)
    return descriptor


def oom_kills() -> int | None:
    """Processes that the kernel has killed for want of memory; None where it does not say."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)


def is_stopped(pid: int) -> bool:
    """Whether somebody has stopped the process (SIGSTOP)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in ("T", "t")
    except (OSError, IndexError):
        return False
