"""What `runtime.nats_client` builds on is not public in nats-py: an upgrade that moves it fails here by name."""

from __future__ import annotations

import inspect
import re

import pytest
from nats.aio.client import Client

from runtime.tcp import Tcp

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


def test_our_socket_has_all_that_is_called_of_a_transport() -> None:
    source = inspect.getsource(Client).replace(inspect.getsource(Client._read_loop), "")
    called = set(re.findall(r"self\._transport\.(\w+)\(", source))
    assert {"connect", "connect_tls", "readline", "wait_closed"} <= called <= set(dir(Tcp))
