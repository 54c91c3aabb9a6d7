"""The parts of nats-py that `runtime.bus` builds on are not public: an upgrade that moves them fails here by name."""

from __future__ import annotations

import inspect

import pytest
from nats.aio.client import Client
from nats.aio.transport import TcpTransport

METHODS = (
    "_attempt_reconnect",
    "_connect_to_server",
    "_ping_interval",
    "_process_connect_init",
    "_process_info",
    "_process_op_err",
    "_process_ping",
    "_read_loop",
    "_remove_sub",
    "_send_unsubscribe",
)
STATE = (
    "_flusher_task",
    "_max_payload",
    "_pending",
    "_pending_data_size",
    "_ping_interval_task",
    "_pongs",
    "_reading_task",
    "_reconnection_task",
    "_status",
    "_subs",
    "_transport",
)


@pytest.mark.parametrize("name", METHODS)
def test_methods_we_call_or_replace(name: str) -> None:
    assert callable(getattr(Client, name))


@pytest.mark.parametrize("name", STATE)
async def test_state_we_share(name: str) -> None:
    assert hasattr(Client(), name)


def test_what_we_replace_is_still_what_is_called() -> None:
    source = inspect.getsource(Client)
    assert "create_task(self._read_loop())" in source
    assert "create_task(self._ping_interval())" in source
    assert "create_task(self._attempt_reconnect())" in source
    assert "await self._connect_to_server(" in source
    assert "await self._process_connect_init()" in source
    assert {"_io_reader", "_io_writer"} <= set(vars(TcpTransport()))
