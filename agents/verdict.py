"""Who is to blame for the end of a worker's process: the item that was in user code, and nobody else. Pure."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass

from agents.hangs import Overdue
from agents.words import ended
from runtime.charges import took_too_long
from runtime.slot import Call, Step

FROM_OUTSIDE = frozenset((signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT))
"""What people and machines stop processes with."""
CRASHES = {
    signal.SIGSEGV: "segmentation fault",
    signal.SIGBUS: "bus error",
    signal.SIGFPE: "arithmetic error",
    signal.SIGILL: "illegal instruction",
    signal.SIGABRT: "aborted",
    signal.SIGXCPU: "CPU time limit",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """A worker's end, with what its shared memory shows afterwards."""

    status: int
    calls: Sequence[Call]
    last_calls: Sequence[Call] = ()
    """Who left user code last."""
    step: Step | None = None
    is_leaving: bool = False
    """It ended of its own accord."""
    overdue: Overdue | None = None
    """Why we killed it, if we did."""
    timeout_s: float = 0.0
    is_out_of_memory: bool = False
    """The kernel killed somebody for want of memory just then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Nobody to blame, the guilty, or suspects that must be tried one by one."""

    guilty: tuple[Call, ...] = ()
    suspects: tuple[Call, ...] = ()
    error: str = ""
    is_doubtful: bool = False
    """Killed by somebody, or died when the item had left: perhaps for what the item did, but most likely not."""
    had_left: bool = False
    """They were not in user code any more, and nobody was."""

    @property
    def is_known(self) -> bool:
        """Whether the process ended because of items, which it is known how to deal with."""
        return bool(self.suspects) or bool(self.guilty and not self.is_doubtful)


INNOCENT = Verdict()


def judge(death: Death) -> Verdict:
    """Name who is to blame. Who was not in user code when the process died is at most doubted."""
    if death.overdue is not None:
        return _late(death, death.overdue)
    if death.is_leaving or -death.status in FROM_OUTSIDE:
        return INNOCENT
    is_killed = death.status == -signal.SIGKILL
    error = (
        "killed: out of memory?" if is_killed and death.is_out_of_memory else f"the task's process died: {_how(death)}"
    )
    is_doubtful = is_killed and not death.is_out_of_memory
    if not death.calls:
        # What an item leaves behind (a thread, a timer) can end every process that it comes to, without an end.
        doubted = () if is_doubtful else tuple(death.last_calls)
        return Verdict(guilty=doubted, error=error, is_doubtful=True, had_left=True) if doubted else INNOCENT
    guilty = [call for call in death.calls if death.step is not None and call.slot == death.step.slot]
    if not guilty and len(death.calls) == 1:
        guilty = list(death.calls)
    if guilty:
        return Verdict(guilty=tuple(guilty), error=error, is_doubtful=is_doubtful)
    return INNOCENT if is_doubtful else Verdict(suspects=tuple(death.calls), error=error)


def _late(death: Death, overdue: Overdue) -> Verdict:
    # One that came to its end just before we struck is not to blame, nor is who came after it.
    found = tuple(call for call in overdue.calls if call in death.calls)
    if not found:
        return INNOCENT
    error = took_too_long(death.timeout_s)
    if overdue.is_certain:
        return Verdict(guilty=found, error=error)
    return Verdict(suspects=tuple(death.calls), error=error)


def _how(death: Death) -> str:
    number = -death.status
    if number in CRASHES:
        return CRASHES[signal.Signals(number)]
    return f"it ended itself with status {death.status}" if death.status >= 0 else ended(death.status)
