"""One worker process: carries out what its `Flow` says, on the bus and on user code.

Started by an agent (or a pod's supervisor), which gives it its incarnation and watches it. It follows the
edge record, receives frames on its own subject, and says twice a second what it holds.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from functools import partial

from circe.attempts import Attempts, Done
from circe.call import Call, Failure
from circe.egress import Egress
from circe.endings import Endings, Failed
from circe.flow import Flow, Instruction
from circe.gathering import GatherReader
from circe.groups import shown
from circe.job import Job, Result
from circe.letters import Inputs
from circe.objects import TaskObjects
from circe.options import WorkerOptions
from circe.outbox import SendControl, SendFrame, SendReport
from circe.outputs import BranchError, Output
from circe.printing import Lines
from circe.pulse import Pulse
from circe.queue_head import queue_reader
from circe.reading import Reader
from circe.replay import is_owed, replay_of
from circe.sorting import Member
from circe.spill import Spill, loaded
from circe.tap import Tap
from runtime import codec, frames, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.context import Context
from runtime.errors import JupiterError
from runtime.graph import Task
from runtime.loader import UserTask
from runtime.message import Message, Record
from runtime.records import DRAINING, READY, Beat, EdgeRecord
from runtime.reference import Payload
from runtime.refusals import refuse, refused
from runtime.slot import Slots

logger = logging.getLogger(__name__)

QUIET_S = 0.3
"""A draining worker goes when nothing came for this long."""


class Worker:
    """The shell around one `Flow`."""

    def __init__(
        self,
        bus: Bus,
        options: WorkerOptions,
        app: App,
        user_task: UserTask,
        context: Context,
        slots: Slots,
        lines: Lines | None,
    ) -> None:
        """`slots` and `lines` are what the parent sees and reads; there are no lines without one."""
        self._bus = bus
        self._options = options
        self._app = app
        self._task: Task = app.graph.tasks[options.task]
        self._loop = asyncio.get_running_loop()
        self.flow = Flow(
            graph=app.graph,
            task=options.task,
            incarnation=options.incarnation,
            draw=partial(random.getrandbits, 64),
        )
        self._egress = Egress(
            bus,
            app.name,
            options.task,
            on_stored=self._stored,
            on_refused=self._refused,
        )
        self._endings = Endings(
            bus,
            app,
            options.task,
            options.node,
            self.flow,
            on_buried=self._buried,
            on_ended=self._ended_before,
            on_superseded=self._superseded,
        )
        self.tap = Tap(bus, app.name, app.graph, options.task, options.incarnation)
        own = codec.CODECS[app.codec]
        call = Call(
            user_task,
            context,
            own,
            codec.CODECS[self._task.input_codec or app.codec],
            self._task.route,
            app.limits.file_bytes,
            gathers=self._task.gather is not None,
        )
        objects = TaskObjects(bus, app, self.flow, options.scratch)
        self._attempts = Attempts(call, self._task, slots, objects, on_done=self._take_done, on_given_up=self._bury)
        self._slots = slots
        self._lines = lines
        is_join = app.graph.is_join(options.task)
        self._spill = Spill(app.limits.join_bytes, options.cache) if is_join else None
        self._pulse = Pulse(self._loop.time())
        self._gathering = self._gathering_of(user_task)
        self.reader = self._gathering or self._reader()
        """Of the queue of our own task, where it has one."""
        self._state = READY
        self._run: str | None = None
        """Of the ingress that our items come from."""
        self._fault = ""
        self._last_frame_s = self._loop.time()
        self._turn_planned = False

    def _reader(self) -> Reader | None:
        if self._task.name not in self._app.graph.queues:
            return None
        own = self._options.incarnation
        return queue_reader(self._bus, self._app, self._task.name, own, on_ended=lambda latencies_s: None)

    def _gathering_of(self, user_task: UserTask) -> GatherReader | None:
        if self._task.gather is None:
            return None
        own = self._options.incarnation
        return GatherReader(self._bus, self._app, self._task, user_task, own, on_unsorted=self._turn_soon)

    # ---- events

    def on_frame(self, message: Message) -> None:
        self._last_frame_s = self._loop.time()
        try:
            frame = frames.decode_frame(message.payload)
        except ValueError as error:
            refuse("a frame", error)
            return
        self.flow.frame(frame if self._spill is None else self._spill.keep_frame(frame))
        self._turn_soon()

    def on_control(self, message: Message) -> None:
        try:
            control = frames.decode_control(message.payload)
        except ValueError as error:
            refuse("a control message", error)
            return
        self.flow.control(control)
        self._turn_soon()
        if self.reader is not None:
            self.reader.head.grant(control)
            self.reader.turn_soon()

    def on_edges(self, record: Record, edges: EdgeRecord | None) -> None:
        """Another version's edges are for other workers, but they say who reads the queue."""
        if edges is not None:
            edges = self._of_our_run(edges)
        if edges is not None and self.reader is not None:
            self.reader.follow(edges)
        if edges is not None and edges.digest == self._options.digest:
            self.flow.follow(edges)
            self._turn_soon()

    def _of_our_run(self, edges: EdgeRecord) -> EdgeRecord:
        """The record; where it is of an application that was deleted and submitted again, one that names nobody, so
        that nothing of what we hold gets into its new queues."""
        if self._run is None:
            self._run = edges.run
        if edges.run != self._run:
            self._fault = f"{self._app.name} was deleted and submitted again: ending"
        return EdgeRecord(app=edges.app, revision=0, digest=self._options.digest) if self._fault else edges

    def _turn_soon(self) -> None:
        """One turn for all that comes in one go: that is what makes frames large under load."""
        if not self._turn_planned:
            self._turn_planned = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_planned = False
        # Frames leave first: as long as they wait, the flow is blocked and gives no jobs.
        self._carry_out(self.flow.poll())
        jobs = self.flow.take(self._attempts.room)
        if self._gathering is not None:
            jobs += self._gathering.take(self._attempts.places - len(jobs))
        if jobs:
            self._attempts.run(jobs)

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

    def _take_done(self, done: list[Done]) -> None:
        self._pulse.add([busy_s for _, _, busy_s in done])
        given = []
        for job, outputs, _ in done:
            if isinstance(job, Member):
                self._attempts.forget([job])
                self._sorted(job)
            elif self.flow.lets_go(job):
                self._attempts.forget([job])
            elif job.has_rivals:
                self._endings.give(job, partial(self._give, [(job, outputs)]))
            else:
                given.append((job, outputs))
        self._give(given)

    def _sorted(self, job: Member) -> None:
        if job.has_rivals:
            self._endings.give(job, partial(self._gathered().sorted, job))
        else:
            self._gathered().sorted(job)

    def _give(self, given: Sequence[tuple[Job, list[Output[Payload]]]]) -> None:
        results: list[Result] = []
        used = []
        for job, outputs in given:
            try:
                results += self.flow.done(job, outputs)
            except BranchError as error:
                self._attempts.reject(job, self._branch_fault(error))
            else:
                used.append((job, outputs))
        self._attempts.forget([job for job, _ in used])
        self.tap.offer(used)
        owed = [result for result in results if self._is_owed(result)]
        if owed:
            self._egress.store(owed)
        self._turn_soon()

    def _gathered(self) -> GatherReader:
        assert self._gathering is not None  # it is whose jobs they are
        return self._gathering

    def _is_owed(self, result: Result) -> bool:
        """Of an input that was here before, what it gave then does not come again."""
        replay = replay_of(result.job.headers)
        if replay is None or is_owed(replay, self._app.graph, self._task.name, result.item_id):
            return True
        self._stored(result)
        return False

    def _branch_fault(self, error: BranchError) -> str:
        fork, join = self._app.graph.enclosing_join(self._task.name) or ("", "")
        return (
            f"task {self._task.name} gave {error}, but it lies between the fork {fork} and the join {join}, "
            "where an item may have one output to a child or none"
        )

    def _bury(self, job: Job, failed: Failure, attempts: int) -> None:
        if not isinstance(job, Member) and self.flow.lets_go(job):
            return
        self._endings.bury(job, Failed(self._shown(job), failed, attempts))

    def _shown(self, job: Job) -> Inputs:
        """The inputs as a dead letter has them."""
        if self._gathering is None or isinstance(job, Member) or not isinstance(job.inputs, bytes):
            return loaded(job.inputs)
        return shown(job.inputs)

    def _buried(self, job: Job) -> None:
        if isinstance(job, Member):
            self._gathered().dead(job)
        else:
            self.flow.dead(job)
        self._turn_soon()

    def _ended_before(self, job: Job) -> None:
        self._attempts.forget([job])
        if isinstance(job, Member):
            self._gathered().dead(job)
        else:
            self.flow.ended_before(job)
        self._turn_soon()

    def _superseded(self, job: Job) -> None:
        self._attempts.forget([job])
        if not isinstance(job, Member):
            self.flow.superseded(job)
            self._turn_soon()

    def _stored(self, result: Result) -> None:
        if self.flow.stored(result):
            self._attempts.reject(result.job, result.job.refusal)
        self._turn_soon()

    def _refused(self, result: Result, reason: str) -> None:
        if self.flow.refused(result, reason):
            self._attempts.reject(result.job, reason)

    # ---- beats and the end

    def beat(self) -> None:
        """Say what is held. Raises JupiterError when the application is another one, or an item here has no end."""
        if fault := self._fault or self._endings.fault:
            raise JupiterError(fault)
        holds, waits, probes = self.flow.beat()
        self._carry_out(probes)
        if self.reader is not None:
            self.reader.beat()
        now_s = self._loop.time()
        rates, latencies_s = self._pulse.beat(now_s, self.flow.counts)
        self._slots.beat(now_s)
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
            counts=self._counts(),
            rates={**rates, **self._levels()},
            latencies_s=latencies_s,
        )
        subject = subjects.status(self._app.name, self._task.name, self._options.incarnation)
        self._bus.publish(subject, codec.encode_record(beat.to_record()))

    def _counts(self) -> dict[str, int]:
        printed = 0
        if self._lines is not None:
            self._lines.say_left_out()
            printed = self._lines.left_out
        busy_ms = int(self._pulse.busy_s * 1000)
        shells = {
            "busy_ms": busy_ms,
            "errors": self._attempts.errors,
            "tap.left_out": self.tap.left_out,
            "print.left_out": printed,
        }
        if self._spill is not None:
            shells["spilled"] = self._spill.spilled
        if self.reader is not None:
            shells["resent"] = self.reader.head.resent
        if self._gathering is not None:
            shells |= self._gathering.counts
        return {**self.flow.counts, **shells, "refused": refused()}

    def _levels(self) -> dict[str, float]:
        levels: dict[str, float] = {"backlog": self.flow.backlog, "waiting": self.flow.waiting()}
        levels |= self._egress.waiting() | self._endings.waiting()
        if self.reader is not None:
            levels |= {"in_flight": self.reader.head.in_flight, "window": self.reader.head.window}
        return levels

    async def drain(self) -> None:
        """Finish what is here; senders have been switched, so it ends when nothing comes any more."""
        self._state = DRAINING
        if self.reader is not None:
            self.reader.leave()
        while not self._is_quiet():  # noqa: ASYNC110 - quiet is the absence of events
            await asyncio.sleep(QUIET_S / 6)

    def _is_quiet(self) -> bool:
        return self.flow.idle and self._loop.time() - self._last_frame_s > QUIET_S

    async def close(self) -> None:
        await self._attempts.close()
        self.tap.close()
        await self._egress.close()
        await self._endings.close()
