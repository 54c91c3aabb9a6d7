"""The bus: one NATS connection with typed errors, our own publisher and our own pull loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from runtime.admission import NotAdmittedError
from runtime.bus_objects import Objects
from runtime.credentials import NOBODY, Credentials
from runtime.errors import TransportError
from runtime.keepalive import PING_INTERVAL_S
from runtime.nats_client import NatsClient


class Bus(Objects):
    """One connection to NATS; made by `connect`."""


@contextlib.asynccontextmanager
async def connect(
    url: str | list[str],
    *,
    name: str,
    credentials: Credentials = NOBODY,
    connect_timeout_s: float = 5.0,
    ping_interval_s: float = PING_INTERVAL_S,
    write_buffer_bytes: int = 64 << 20,
) -> AsyncIterator[Bus]:
    """A bus that reconnects for ever once it was connected. Raises `TransportError` when the first try fails."""
    client = NatsClient(url, write_buffer_bytes)
    options = {
        **client.fixed_options(),
        "servers": url,
        "name": name,
        "ping_interval": ping_interval_s,
        "inbox_prefix": credentials.inbox,
        "nkeys_seed_str": credentials.seed,
        "tls": credentials.tls,
    }
    try:
        await _first_connection(client, options, connect_timeout_s)
        bus = Bus(client, credentials.inbox)
        client.core = bus
        bus.connection_made()
        await bus.open()
        try:
            yield bus
        finally:
            await bus.drain_and_close()
    finally:
        await client.shut()


async def _first_connection(client: NatsClient, options: dict[str, Any], timeout_s: float) -> None:
    connecting = asyncio.create_task(client.connect(**options), name="first connection to NATS")
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.wait({connecting})
            connecting.result()
            await client.wait_until_up()  # the server may have answered and closed the connection at once
    except NotAdmittedError:
        raise
    except Exception as exc:
        reason = client.last_problem or exc
        raise TransportError(
            f"cannot reach NATS at {options['servers']} within {timeout_s:g} s ({reason}): "
            "start the server there, or correct the address"
        ) from exc
    finally:
        # One cancellation may be lost: `wait_for` drops it when what it waits for comes at that moment.
        while not connecting.done():
            connecting.cancel()
            await asyncio.wait({connecting}, timeout=0.05)
