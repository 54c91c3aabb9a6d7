"""The gateway when JetStream takes its time to come back."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from circe import gateway
from circe.gateway import AppGateway
from runtime.app import App
from runtime.bus import Bus
from runtime.bus_errors import NoResponders
from runtime.graph import Task, TaskGraph

APP = App(name="app", graph=TaskGraph({"a": Task(name="a", script="a.py", children=("home",))}, ("a",)))


class SlowBus:
    """Serves no streams at first."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.resets = 0
        self.closed = asyncio.Event()

    async def reset_consumer(self, stream: str, name: str) -> None:
        if self.failures:
            self.failures -= 1
            raise NoResponders("nobody serves the stream")
        self.resets += 1


async def test_after_a_reconnection_the_ingress_is_read_anew_however_long_that_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was tried once: inputs lost on their way then came again when the acknowledgement wait was over."""
    monkeypatch.setattr(gateway, "RESET_PAUSE_S", 0.0)
    bus = SlowBus(failures=3)
    made = AppGateway(cast(Bus, bus), APP, "gateway-1", "home")
    made._pull = cast(Any, SimpleNamespace(want=lambda count: None))
    made._on_reconnect()
    assert made._resets is not None
    await asyncio.wait_for(made._resets, 1.0)
    assert bus.resets == 1
