"""Sentences that several parts of the agent say."""

from __future__ import annotations

import signal


def ended(status: int) -> str:
    """How a process ended."""
    if status >= 0:
        return f"it ended with status {status}"
    return f"it was killed by {signal.Signals(-status).name}"
