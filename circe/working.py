"""One worker process from its start to its end: load, set up, say ready, work until stopped, drain, tear down."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from mmap import mmap

from circe import failpoints
from circe.fencing import Fencing
from circe.options import WorkerOptions
from circe.printing import Lines
from circe.pulse import BEAT_S
from circe.source import run_source_worker
from circe.worker import Worker
from runtime import bundle, codec, subjects
from runtime.bundle import UnpackedBundle
from runtime.bus import Bus
from runtime.calling import call_hook, call_hook_async
from runtime.context import Context
from runtime.errors import JupiterError, UsageError
from runtime.loader import UserTask, load_source, load_task
from runtime.records import Beat, EdgeRecord
from runtime.service import Service
from runtime.slot import SIZE_BYTES, Slots
from runtime.taking import taking

logger = logging.getLogger(__name__)


async def run_worker(service: Service, bus: Bus, options: WorkerOptions, lines: Lines | None) -> None:
    """Work until stopped. Raises UsageError when the code is not where it should be."""
    unpacked = bundle.cached(options.digest, options.cache)
    if unpacked is None:
        raise UsageError(f"the bundle {options.digest[:12]} is not in {options.cache}: start workers through an agent")
    app = unpacked.app
    source = next((source for source in app.sources if source.name == options.task), None)
    if source is not None:
        user = load_source(app.name, source, unpacked.folder)
        await run_source_worker(service, bus, options, app, source, user, lines)
        return
    slots = _shared(options.slots)
    try:
        await _work(service, bus, options, unpacked, slots, lines)
    except JupiterError:
        slots.say_leaving()
        raise
    slots.say_leaving()


def _shared(descriptor: int | None) -> Slots:
    """The memory that our parent looks into; without a parent nobody does."""
    if descriptor is None:
        return Slots(memoryview(mmap(-1, SIZE_BYTES)))
    memory = mmap(descriptor, SIZE_BYTES)
    os.close(descriptor)  # the mapping stays
    return Slots(memoryview(memory))


async def _work(
    service: Service, bus: Bus, options: WorkerOptions, unpacked: UnpackedBundle, slots: Slots, lines: Lines | None
) -> None:
    app = unpacked.app
    task = app.graph.tasks[options.task]
    context = Context(
        app=app.name, task=task.name, node=options.node, children=task.children, scratch_root=options.scratch
    )
    try:
        user_task = load_task(app.name, task, unpacked.folder)
        await _set_up(user_task, context)
    except (Exception, SystemExit) as error:
        await _say_failed(bus, options, error)
        raise
    bus = failpoints.over(bus, app.name, task.name)
    fencing = Fencing(bus, lambda: slots.renewed_s)
    worker = Worker(bus, options, app, user_task, context, slots, lines)
    try:
        await bus.subscribe(subjects.inbox(app.name, task.name, options.incarnation), worker.on_frame)
        await bus.subscribe(subjects.credit(app.name, options.incarnation), worker.on_control)
        await worker.tap.start()
        on_edges = taking(EdgeRecord.from_record, worker.on_edges)
        async with _reading(service, worker), bus.follow(subjects.CONTROL_STREAM, subjects.edges(app.name), on_edges):
            await _live(service, worker, fencing)
    finally:
        await worker.close()
        if user_task.teardown is not None:
            await _tear_down(user_task, context)
        await asyncio.to_thread(shutil.rmtree, options.scratch, ignore_errors=True)


@asynccontextmanager
async def _reading(service: Service, worker: Worker) -> AsyncIterator[None]:
    """Read the queue of the worker's task, if it has one, while the edge record names this worker."""
    if worker.reader is None:
        yield
        return
    async with worker.reader.listening():
        reading = service.start("the queue", worker.reader.read_for_ever())
        try:
            yield
        finally:
            reading.cancel()


async def _live(service: Service, worker: Worker, fencing: Fencing) -> None:
    draining: asyncio.Task[None] | None = None
    while draining is None or not draining.done():
        fencing.beat()
        worker.beat()
        try:
            async with asyncio.timeout(BEAT_S):
                await (service.stopping.wait() if draining is None else asyncio.shield(draining))
        except TimeoutError:
            continue
        if draining is None:
            draining = asyncio.create_task(worker.drain(), name="drain")


async def _set_up(user_task: UserTask, context: Context) -> None:
    if user_task.is_async:
        await call_hook_async(user_task.setup, context)
    else:
        await asyncio.to_thread(call_hook, user_task.setup, context)


async def _tear_down(user_task: UserTask, context: Context) -> None:
    try:
        if user_task.is_async:
            await call_hook_async(user_task.teardown, context)
        else:
            await asyncio.to_thread(call_hook, user_task.teardown, context)
    except Exception:
        logger.exception("teardown of %s raised", user_task.name)


async def _say_failed(bus: Bus, options: WorkerOptions, error: BaseException) -> None:
    beat = Beat(
        app=options.app,
        task=options.task,
        incarnation=options.incarnation,
        node=options.node,
        state="failed",
        digest=options.digest,
        epoch=options.epoch,
        message=f"{type(error).__name__}: {error}" if not isinstance(error, JupiterError) else str(error),
    )
    subject = subjects.status(options.app, options.task, options.incarnation)
    bus.publish(subject, codec.encode_record(beat.to_record()))
    await bus.flush()
