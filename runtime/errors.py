"""The errors users see: one sentence that says what is wrong, where, and what to do.

The first split is by who can mend it: the user (`UsageError`, `AppError`), the peer or the network
(`TransportError`), or we (anything else). Commands exit with 2 for the first and 1 for the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class JupiterError(Exception):
    """Root of every error raised on purpose."""


class UsageError(JupiterError, ValueError):
    """The call cannot be carried out as written: nothing was started (exit code 2)."""


class TransportError(JupiterError, ConnectionError):
    """The bus cannot be reached, or refused what was asked of it (exit code 1)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in an application: `place` is a file, with a line or a key where known."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class AppError(UsageError):
    """An application cannot run: all its faults at once, each with its file and place."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))
