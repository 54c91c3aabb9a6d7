"""A verification's surroundings: the Jupiter, the lines in front of it, both ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from circe import failpoints
from circe.layout import RUN_KEY
from deploy.ending import Ending
from deploy.fault_proxy import FaultProxy, fault_proxy
from deploy.local import AGENT, GATEWAY, LocalJupiter, LocalPlan, local_jupiter
from deploy.submit import put, wait_in_place
from deploy.verify_book import Book
from deploy.verify_load import Feeder
from deploy.verify_plan import spread
from deploy.verify_record import Recorder
from deploy.verify_setup import VerifyPlan
from deploy.verify_trial import Trial
from deploy.watch import Watch
from runtime import subjects
from runtime.bus import connect
from runtime.errors import JupiterError
from runtime.mapping import TaskMapping
from runtime.service import LOG_VARIABLE, Service

START_S = 60.0
PRODUCER = "producer"


@contextlib.contextmanager
def words_to(path: Path | None) -> Iterator[Callable[[str], None]]:
    """Where the components' words go: they speak of every fault there is."""
    if path is None:
        yield lambda line: None
        return
    os.environ.setdefault(LOG_VARIABLE, "info")
    with path.open("w", encoding="utf-8", buffering=1) as file:
        yield lambda line: print(line, file=file)


@contextlib.asynccontextmanager
async def started(service: Service, plan: VerifyPlan, say: Callable[[str], None]) -> AsyncIterator[tuple[Trial, Book]]:
    app = plan.prepared.app
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jupiter-verify-")))
        stack.enter_context(_variable(failpoints.VARIABLE, str(folder)))
        names = [*(node.name for node in plan.nodes), GATEWAY, PRODUCER]
        proxies = {name: await stack.enter_async_context(fault_proxy()) for name in names}
        local = await stack.enter_async_context(local_jupiter(service, _local(plan, proxies), say))
        mapping = TaskMapping(assignment=spread(app.graph, [node.name for node in plan.nodes]))
        await put(local.bus, plan.prepared, mapping)
        watch = await stack.enter_async_context(Watch(local.bus, app.name))
        try:
            async with asyncio.timeout(START_S):
                await wait_in_place(watch, app)
        except TimeoutError:
            raise JupiterError(f"{app.name} was not in place within {START_S:g} s") from None
        stem = f"v{plan.options.seed}"
        book = Book(stem, await _run_name(local, app.name))
        producer = await stack.enter_async_context(connect(proxies[PRODUCER].url, name=PRODUCER))
        feeder = Feeder(producer, app.name, plan.payloads, book, plan.options.seed)
        recorder = await stack.enter_async_context(Recorder(local.bus, app, book, feeder.acknowledged_s))
        yield (
            Trial(
                app=app,
                local=local,
                watch=watch,
                ending=Ending(local.bus, app),
                feeder=feeder,
                recorder=recorder,
                proxies=proxies,
                failpoints=folder,
                poison=[],
                max_store_bytes=plan.max_store_bytes,
            ),
            book,
        )


@contextlib.contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    """Of the environment that every component is started with."""
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


def _local(plan: VerifyPlan, proxies: dict[str, FaultProxy]) -> LocalPlan:
    def url_for(component: str, url: str) -> str:
        proxy = proxies.get(component.removeprefix(f"{AGENT} "))
        for each in proxies.values():
            each.target_port = int(url.rpartition(":")[2])
        return url if proxy is None else proxy.url

    return LocalPlan(nodes=plan.nodes, url_for=url_for, max_store_bytes=plan.max_store_bytes)


async def _run_name(local: LocalJupiter, app: str) -> str:
    state = await local.bus.stream_state(subjects.ingress_stream(app))
    if state is None:
        raise JupiterError(f"{app} has no ingress")
    return state.metadata[RUN_KEY]
