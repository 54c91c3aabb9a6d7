"""The event loop of a command: its work runs under the service shell, and its error comes back to the command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from runtime import service, subjects
from runtime.bus import Bus, connect
from runtime.bus_errors import STREAM_NOT_FOUND, ApiError, NoResponders
from runtime.credentials import given
from runtime.errors import JupiterError
from runtime.jetstream import of_stream
from runtime.service import Service

ResultT = TypeVar("ResultT")

CONNECT_S = 2.0
"""Somebody waits for the answer, and a server that is there answers in milliseconds."""


class _Box(Generic[ResultT]):
    """What the work returned or raised."""

    def __init__(self) -> None:
        self.result: ResultT | None = None
        self.error: Exception | None = None


def shelled(work: Callable[[Service], Awaitable[ResultT]]) -> ResultT | None:
    """Run `work` in the service shell; raises what it raised."""
    box: _Box[ResultT] = _Box()

    async def main(running: Service) -> None:
        try:
            box.result = await work(running)
        except Exception as error:
            box.error = error

    status = service.run(main, name="jupiter")
    if box.error is not None:
        raise box.error
    if status:
        raise SystemExit(status)  # a background task failed: the shell has said so
    return box.result


def connected(
    server: str, work: Callable[[Bus, asyncio.Event], Awaitable[ResultT]], *, is_endless: bool
) -> ResultT | None:
    """What `work` returns; None when it is endless by nature and Ctrl-C ended it."""

    async def visit(running: Service) -> ResultT | None:
        async with connect(server, name="jupiter", credentials=given(), connect_timeout_s=CONNECT_S) as bus:
            await _check(bus, server)
            working = asyncio.ensure_future(work(bus, running.stopping))
            stopping = asyncio.ensure_future(running.stopping.wait())
            try:
                await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
                if working.done():
                    return working.result()
                if is_endless:
                    return None
                raise JupiterError("interrupted before it was done")
            finally:
                for task in (working, stopping):
                    task.cancel()
                await asyncio.gather(working, stopping, return_exceptions=True)

    return shelled(visit)


async def _check(bus: Bus, server: str) -> None:
    """A server alone is no Jupiter: say so, rather than wait for answers that nobody gives."""
    try:
        await bus.api(of_stream("INFO", subjects.CONTROL_STREAM), deadline_s=CONNECT_S)
    except NoResponders as error:
        raise JupiterError(f"the server at {server} has no JetStream; switch it on (nats-server -js)") from error
    except ApiError as error:
        if error.code != STREAM_NOT_FOUND:
            raise
        raise JupiterError(
            f"no Jupiter runs at {server}; start one with `jupiter up`, or `jupiter dispatcher` and the others there"
        ) from error
