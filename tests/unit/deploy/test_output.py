"""Where results go, when it does not take them any more."""

from __future__ import annotations

import os
import sys

import pytest

from deploy.results import Output


async def test_whoever_has_read_enough_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """`jupiter run APP | head` ends like any other command."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        with pytest.raises(BrokenPipeError):
            await Output(None).write([b"a result\n"])
