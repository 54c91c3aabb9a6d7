"""A real nats-server for the tests: `server` and `bus` are shared, `own_server` may be killed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator

import pytest

from runtime.bus import Bus, connect
from runtime.server import EmbeddedServer


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """One server for the whole session, with a loop of its own: tests only connect to it."""
    with asyncio.Runner() as runner:
        embedded = EmbeddedServer()
        runner.run(embedded.__aenter__())
        try:
            yield embedded
        finally:
            runner.run(embedded.__aexit__(None, None, None))


@pytest.fixture
async def own_server() -> AsyncIterator[EmbeddedServer]:
    """A server of this test alone, to be killed and started again."""
    async with EmbeddedServer() as embedded:
        yield embedded


@pytest.fixture
async def bus(server: EmbeddedServer) -> AsyncIterator[Bus]:
    """A connection to the shared server."""
    async with connect(server.url, name="test") as connected:
        yield connected


@pytest.fixture
async def own_bus(own_server: EmbeddedServer) -> AsyncIterator[Bus]:
    """A connection to this test's own server."""
    async with connect(own_server.url, name="test") as connected:
        yield connected


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A stream name, and first token of subjects, that no other test uses."""
    return re.sub(r"[^a-zA-Z0-9]+", "-", request.node.name).strip("-")
