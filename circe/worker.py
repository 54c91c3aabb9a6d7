"""One worker process: carries out what its `Flow` says, on the bus and on user code.

Started by an agent (or a pod's supervisor), which gives it its incarnation and watches it. It follows the
edge record, receives frames on its own subject, and says twice a second what it holds.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence

from circe.egress import Egress
from circe.flow import Flow, Instruction, Job, Result, SendControl, SendReport
from circe.options import WorkerOptions
from circe.outbox import SendFrame
from circe.outputs import BranchError
from circe.pulse import BEAT_S, Pulse
from circe.runner import Call, Failure, Outcome, runner_for
from circe.source import run_source_worker
from circe.tap import Tap
from runtime import bundle, codec, frames, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.calling import call_hook, call_hook_async
from runtime.context import Context
from runtime.errors import JupiterError, UsageError
from runtime.graph import Task
from runtime.loader import UserTask, load_source, load_task
from runtime.message import Message, Record
from runtime.records import DRAINING, READY, Beat, EdgeRecord
from runtime.service import Service

logger = logging.getLogger(__name__)

FIRST_RETRY_S = 0.1
QUIET_S = 0.3
"""A draining worker goes when nothing came for this long."""


class Worker:
    """The shell around one `Flow`."""

    def __init__(self, bus: Bus, options: WorkerOptions, app: App, user_task: UserTask, context: Context) -> None:
        self._bus = bus
        self._options = options
        self._app = app
        self._task: Task = app.graph.tasks[options.task]
        self._loop = asyncio.get_running_loop()
        self.flow = Flow(
            graph=app.graph,
            task=options.task,
            incarnation=options.incarnation,
            draw=lambda: random.getrandbits(64),
        )
        self._egress = Egress(
            bus,
            app.name,
            options.task,
            on_stored=self._stored,
            on_conflict=lambda result: self._bury(result.job, "id already used by another input"),
            on_too_big=lambda result: self._bury(result.job, _too_big(result, bus.link.max_payload_bytes)),
        )
        self._tap = Tap(bus, app.name, options.task)
        own = codec.CODECS[app.codec]
        call = Call(user_task, context, own, codec.CODECS[self._task.input_codec or app.codec], self._task.route)
        self._runner = runner_for(call, self._take_outcomes)
        self._running = 0
        self._tries: dict[int, int] = {}
        self._pulse = Pulse(self._loop.time())
        self._state = READY
        self._last_frame_s = self._loop.time()
        self._turn_planned = False

    # ---- events

    def on_frame(self, message: Message) -> None:
        self._last_frame_s = self._loop.time()
        try:
            frame = frames.decode_frame(message.payload)
        except ValueError as error:
            self._refuse("frame", error)
            return
        self.flow.frame(frame)
        self._turn_soon()

    def on_control(self, message: Message) -> None:
        try:
            control = frames.decode_control(message.payload)
        except ValueError as error:
            self._refuse("control", error)
            return
        self.flow.control(control)
        self._turn_soon()

    def on_edges(self, record: Record) -> None:
        if record.payload is None:
            return
        try:
            edges = EdgeRecord.from_record(codec.decode_record(record.payload))
        except (ValueError, KeyError, TypeError) as error:
            self._refuse("edge record", error)
            return
        if edges.digest == self._options.digest:
            self.flow.follow(edges)
            self._turn_soon()

    def _refuse(self, what: str, error: Exception) -> None:
        self.flow.counts["refused"] += 1
        logger.warning("refused a %s: %s", what, error)

    def _turn_soon(self) -> None:
        """One turn for all that comes in one go: that is what makes frames large under load."""
        if not self._turn_planned:
            self._turn_planned = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_planned = False
        # Frames leave first: as long as they wait, the flow is blocked and gives no jobs.
        self._carry_out(self.flow.poll())
        jobs = self.flow.take(self._runner.limit - self._running)
        if jobs:
            self._running += len(jobs)
            self._runner.submit(jobs)

    def _carry_out(self, instructions: Sequence[Instruction]) -> None:
        app = self._app.name
        outgoing = []
        for instruction in instructions:
            match instruction:
                case SendFrame(task, incarnation, frame):
                    outgoing.append((subjects.inbox(app, task, incarnation), frames.encode_frame(frame)))
                case SendReport(head, report):
                    outgoing.append((subjects.lineage(app, head), frames.encode_report(report)))
                case SendControl(incarnation, control):
                    outgoing.append((subjects.credit(app, incarnation), frames.encode_control(control)))
        if outgoing and not self._bus.send_many(outgoing):
            self.flow.counts["dropped.write_buffer"] += len(outgoing)

    # ---- user code

    def _take_outcomes(self, outcomes: list[Outcome]) -> None:
        results: list[Result] = []
        for job, outputs, busy_s in outcomes:
            self._running -= 1
            self._pulse.add(busy_s)
            if isinstance(outputs, Failure):
                self._failed(job, outputs)
                continue
            try:
                results += self.flow.done(job, outputs)
            except BranchError as error:
                self._bury(job, self._branch_fault(error))
                continue
            self._tries.pop(id(job), None)
            self._tap.offer([(job.item_id, output.payload) for output in outputs])
        if results:
            self._egress.store(results)
        self._turn_soon()

    def _failed(self, job: Job, failed: Failure) -> None:
        """Try again with back-off, then give the item up as a dead letter."""
        tries = self._tries[id(job)] = self._tries.get(id(job), 0) + 1
        self.flow.counts["errors"] += 1
        if tries > self._task.retries:
            del self._tries[id(job)]
            self._egress.bury(job, failed, tries, self._options.node, self._buried)
            return
        logger.warning("%s: try %d of item %s raised %s", self._task.name, tries, job.item_id, failed.error)
        self._running += 1
        self._loop.call_later(FIRST_RETRY_S * 2 ** (tries - 1), self._runner.submit, [job])

    def _branch_fault(self, error: BranchError) -> str:
        fork, join = self._app.graph.enclosing_join(self._task.name) or ("", "")
        return (
            f"task {self._task.name} gave {error}, but it lies between the fork {fork} and the join {join}, "
            "where an item may have one output to a child or none"
        )

    def _bury(self, job: Job, reason: str) -> None:
        tries = self._tries.pop(id(job), 0) + 1
        self._egress.bury(job, Failure(reason, ""), tries, self._options.node, self._buried)

    def _buried(self, job: Job) -> None:
        self.flow.dead(job)
        self._turn_soon()

    def _stored(self, job: Job) -> None:
        self.flow.stored(job)
        self._turn_soon()

    # ---- beats and the end

    def beat(self) -> bool:
        """Say what is held; false when this process was stalled for so long that it must end."""
        holds, waits, probes = self.flow.beat()
        self._carry_out(probes)
        stalled, rates, latencies_s = self._pulse.beat(self._loop.time(), self.flow.counts)
        if stalled:
            return False
        beat = Beat(
            app=self._app.name,
            task=self._task.name,
            incarnation=self._options.incarnation,
            node=self._options.node,
            state=self._state,
            number=self._pulse.number,
            digest=self._options.digest,
            epoch=self._options.epoch,
            connections=self._bus.connections,
            holds=tuple(holds),
            waits=tuple(waits),
            counts={**self.flow.counts, "tap.left_out": self._tap.left_out},
            rates={**rates, "backlog": self.flow.backlog, "waiting": self.flow.waiting()},
            latencies_s=latencies_s,
        )
        subject = subjects.status(self._app.name, self._task.name, self._options.incarnation)
        self._bus.publish(subject, codec.encode_record(beat.to_record()))
        return True

    async def drain(self) -> None:
        """Finish what is here; senders have been switched, so it ends when nothing comes any more."""
        self._state = DRAINING
        while not self._is_quiet():  # noqa: ASYNC110 - quiet is the absence of events
            await asyncio.sleep(QUIET_S / 6)

    def _is_quiet(self) -> bool:
        return self.flow.idle and self._loop.time() - self._last_frame_s > QUIET_S

    async def close(self) -> None:
        await self._runner.close()
        await self._tap.close()
        await self._egress.close()


def _too_big(result: Result, limit_bytes: int) -> str:
    return f"the result has {len(result.payload)} bytes; the server takes messages of {limit_bytes}"


async def run_worker(service: Service, bus: Bus, options: WorkerOptions) -> None:
    """Load, set up, say ready, work until stopped, drain."""
    unpacked = bundle.cached(options.digest, options.cache)
    if unpacked is None:
        raise UsageError(f"the bundle {options.digest[:12]} is not in {options.cache}: start workers through an agent")
    app = unpacked.app
    source = next((source for source in app.sources if source.name == options.task), None)
    if source is not None:
        user = load_source(app.name, source, unpacked.folder)
        await run_source_worker(service, bus, options, app, source, user)
        return
    task = app.graph.tasks[options.task]
    context = Context(app=app.name, task=task.name, node=options.node, children=task.children)
    try:
        user_task = load_task(app.name, task, unpacked.folder)
        await _set_up(user_task, context)
    except Exception as error:
        await _say_failed(bus, options, error)
        raise
    worker = Worker(bus, options, app, user_task, context)
    try:
        await bus.subscribe(subjects.inbox(app.name, task.name, options.incarnation), worker.on_frame)
        await bus.subscribe(subjects.credit(app.name, options.incarnation), worker.on_control)
        async with bus.follow(subjects.CONTROL_STREAM, subjects.edges(app.name), worker.on_edges):
            await _live(service, worker)
    finally:
        await worker.close()
        if user_task.teardown is not None:
            await _tear_down(user_task, context)


async def _live(service: Service, worker: Worker) -> None:
    draining: asyncio.Task[None] | None = None
    while draining is None or not draining.done():
        if not worker.beat():
            raise JupiterError("stalled for longer than the lease: ending, because another may have taken over")
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


async def _say_failed(bus: Bus, options: WorkerOptions, error: Exception) -> None:
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
