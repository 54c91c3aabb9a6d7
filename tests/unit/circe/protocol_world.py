"""A world in which the shipping state machines meet every fault: the model check of the protocol.

`World` holds one `Head` of the ingress, a `Flow` per replica of a task, beside it a `Head` where it has its own queue,
a network that loses, repeats, delays and reorders, queues and an egress that refuse an id they hold, and an edge record
that everybody follows late. `protocol_walk` walks through it. A breach raises `BreachError`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from circe.credit import Amount
from circe.egress import outputs_header
from circe.flow import Flow
from circe.head import Acknowledge, Head, Input
from circe.job import Job, Result
from circe.outbox import SendControl, SendFrame, SendReport
from circe.outputs import Output
from circe.replay import origin_of
from runtime import subjects
from runtime.graph import TaskGraph
from runtime.item import Control, Frame, Report
from runtime.network import HOME
from runtime.records import READY, Beat, EdgeRecord
from tests.unit.circe import protocol_decisions
from tests.unit.circe.protocol_ends import Place, behaviour, expected, is_refused, may_fail
from tests.unit.circe.protocol_queue import Held, ServerQueue

Seat = tuple[str, int]
"""A task and the number of its replica."""


class BreachError(AssertionError):
    """The protocol did what it must never do."""


@dataclass
class Faults:
    """How many of each may still happen."""

    crash: int = 3
    head_crash: int = 1
    lose: int = 5
    repeat: int = 5
    reconnect: int = 1
    redeliver: int = 1
    """A queue gives again what its head has: it was read anew after a connection was lost."""
    absence: int = 1
    """A worker counts as gone for a while, and is back as the one it was."""
    zombies: bool = True


class Decision(NamedTuple):
    """A job that user code is done with, where another attempt may come to another end; None: it has failed."""

    job: Job
    outputs: list[Output] | None


@dataclass
class Process:
    """One worker: its machine, the results it has yet to store, the ends it has yet to decide, and its late view of the
    edges."""

    task: str
    flow: Flow
    head: Head | None
    """Of the queue of the task, if it has one."""
    results: list[Result] = field(default_factory=list)
    deciding: list[Decision] = field(default_factory=list)
    beats: int = 0
    connections: int = 1


class World:
    def __init__(self, graph: TaskGraph, styles: dict[str, str], seed: int, faults: Faults, roots: int = 6) -> None:
        self.graph, self.styles, self.faults = graph, styles, faults
        self.rng = Random(seed)
        self.net: list[tuple[str, object]] = []
        self.queues = {queue: ServerQueue() for queue in (HOME, *graph.queues)}
        for root in range(1, roots + 1):
            self.queues[HOME].put(f"i{root}", root)
        self.egress: dict[tuple[str, str], int] = {}
        self.letters: dict[Place, int] = {}
        """With the root in the queue of each."""
        self.outputs: dict[tuple[str, str, str], str] = {}
        """What each result says of how many there are, by child, task and id."""
        self.names: dict[str, str] = {}
        """Of everybody who was ever a head, with the queue."""
        self.processes: dict[str, Process] = {}
        self.live: dict[Seat, str | None] = {}
        self.away: dict[Seat, str] = {}
        self.flows: list[Flow] = []
        self.repeated_parts = 0
        self.born = 0
        self.revision = 0
        self.quiet = False
        self.zombie_heads: list[Head] = []
        self.max_items = self.rng.randint(1, 4)
        self.born += 1
        self.head = self._new_head(f"head-{self.born}", HOME)
        for task in graph.tasks.values():
            for replica in range(task.replicas):
                self.spawn((task.name, replica))
        self.all_follow()

    # ---- processes and records

    def _draw(self) -> int:
        return self.rng.getrandbits(64)

    def _new_head(self, name: str, queue: str) -> Head:
        self.names[name] = queue
        return Head(
            name,
            self._draw,
            queue,
            max_items=self.max_items,
            max_bytes=1 << 20,
            window=Amount(self.rng.randint(1, 4), self.rng.choice([1, 3, 1000])),
            frame_parts=self.rng.randint(1, 3),
        )

    def spawn(self, seat: Seat) -> None:
        self.born += 1
        task, _ = seat
        name = f"{task}-{self.born}"
        flow = Flow(
            graph=self.graph,
            task=task,
            incarnation=name,
            draw=self._draw,
            window=Amount(self.rng.randint(1, 4), self.rng.choice([1, 3, 1000])),
            frame_parts=self.rng.randint(1, 3),
        )
        self.flows.append(flow)
        self.processes[name] = Process(task, flow, self._new_head(name, task) if task in self.graph.queues else None)
        self.live[seat] = name
        self.revision += 1

    def edges(self) -> EdgeRecord:
        named = {task: [name for (of, _), name in self.live.items() if of == task] for task in self.graph.tasks}
        workers = {task: tuple(name for name in names if name) for task, names in named.items() if any(names)}
        return EdgeRecord(
            app="model",
            revision=self.revision,
            entries=self.graph.entries,
            workers=workers,
            partitioned=tuple(task for task in self.graph.tasks if self.graph.is_join(task)),
            heads={HOME: self.head.incarnation}
            | {task: workers[task][0] for task in self.graph.queues if task in workers},
            segments={HOME: self.graph.segment(*self.graph.entries)}
            | {task: self.graph.segment(task) for task in self.graph.queues},
        )

    def heads(self) -> list[Head]:
        """Everybody who is or was one and has not been killed."""
        return [self.head, *self.zombie_heads, *(each.head for each in self.processes.values() if each.head)]

    def all_follow(self) -> None:
        for process in self.processes.values():
            process.flow.follow(self.edges())
        for head in self.heads():
            self.head_follows(head)

    def head_follows(self, head: Head) -> None:
        """As `circe.reading` does: read anew once it is named, and give back when it is so no more."""
        was_live = head.live
        head.follow(self.edges())
        if head.live and not was_live:
            head.begin()
            self.queues[head.queue].reset()
        if not head.live:
            for token in head.surrender():
                self.queues[head.queue].give_again(int(token))

    # ---- steps

    def deliver(self, index: int) -> None:
        target, message = self.net.pop(index)
        head = next((head for head in self.heads() if head.incarnation == target), None)
        process = self.processes.get(target)
        match message:
            case Frame() if process:
                process.flow.frame(message)
            case Report() if head:
                head.report(message)
                self._redeliver(head)
                self.carry_out_head(head)
            case Control():
                if process:
                    process.flow.control(message)
                if head:
                    head.grant(message)
            case Beat() if head:
                head.beat(message)

    def pull(self, head: Head) -> None:
        held = self.queues[head.queue].deliver() if head.room > 0 else None
        if held is not None:
            head.take(self._input(head.queue, held))

    @staticmethod
    def _input(queue: str, held: Held) -> Input:
        headers = None if queue == HOME else {subjects.INPUT_HEADER: str(held.origin)}
        return Input(held.sequence, held.item_id, b"input", headers, None, str(held.sequence))

    def run(self, process: Process) -> None:
        for job in process.flow.take(1):
            outputs = behaviour(self.graph, self.styles, process.task, job.item_id)
            if may_fail(self.styles, process.task) and self.rng.random() < 0.4:
                process.deciding.append(Decision(job, None))
            elif job.has_rivals:
                process.deciding.append(Decision(job, outputs))
            else:
                process.results += process.flow.done(job, outputs)

    def decide(self, process: Process) -> None:
        """As `circe.endings` does, one step of one job."""
        decision = self.rng.choice(process.deciding)
        if protocol_decisions.decide(self, process, *decision):
            process.deciding.remove(decision)

    def store(self, process: Process) -> None:
        result = process.results[0]
        if result.job.is_moot and self.rng.random() < 0.5:  # it may have been on its way before that was known
            process.results.pop(0)
            self._answered(process, result, process.flow.stored(result))
            return
        is_refused_ = result.child == HOME and is_refused(self.styles, process.task, result.item_id)
        if not is_refused_:
            self._store(process.task, result)
        if not self.quiet and self.rng.random() < 0.1:
            return  # the answer was lost: it is stored again later
        process.results.pop(0)
        flow = process.flow
        self._answered(process, result, flow.refused(result, "too big") if is_refused_ else flow.stored(result))

    def _answered(self, process: Process, result: Result, has_failed: bool) -> None:
        if has_failed:
            process.deciding.append(Decision(result.job, None))

    def _store(self, task: str, result: Result) -> None:
        origin = origin_of(result.job.root, result.job.headers)
        if result.child == HOME:
            held = self.egress.setdefault((task, result.item_id), origin)
            self.outputs.setdefault((HOME, task, result.item_id), outputs_header(result))
        else:
            self.outputs.setdefault((result.child, result.child, result.item_id), outputs_header(result))
            held = self.queues[result.child].put(result.item_id, origin)
        if held != origin:
            raise BreachError(f"{result.item_id} of root {origin} is taken by root {held}")

    def poll(self, process: Process) -> None:
        for instruction in process.flow.poll():
            match instruction:
                case SendFrame(_, incarnation, frame):
                    self.net.append((incarnation, frame))
                case SendReport(head, report):
                    self.net.append((head, report))
                case SendControl(incarnation, control):
                    self.net.append((incarnation, control))

    def carry_out_head(self, head: Head) -> None:
        for instruction in head.poll(0.0):
            match instruction:
                case SendFrame(_, incarnation, frame):
                    self.net.append((incarnation, frame))
                case SendControl(incarnation, control):
                    self.net.append((incarnation, control))
                case Acknowledge(sequences):
                    for sequence in sequences:
                        self._acknowledge(head.queue, sequence)

    def _acknowledge(self, queue: str, sequence: int) -> None:
        ends = expected(self.graph, self.styles, self.queues[queue].id_of(sequence), queue, self.failed)
        missing = (ends.results - set(self.egress)) | (ends.letters - set(self.letters))
        missing |= {end for end in ends.queued if not self.queues[end[0]].has(end[1])}
        if missing:
            raise BreachError(f"root {sequence} of {queue} ended early: {sorted(missing)} missing")
        self.queues[queue].acknowledge(sequence)

    @property
    def failed(self) -> set[Place]:
        """What user code failed for that may fail."""
        return {place for place in self.letters if may_fail(self.styles, place[0])}

    def beat(self, name: str, process: Process) -> None:
        holds, waits, probes = process.flow.beat()
        process.beats += 1
        beat = Beat(
            app="model",
            task=process.task,
            incarnation=name,
            node="n",
            state=READY,
            number=process.beats,
            connections=process.connections,
            holds=tuple(holds),
            waits=tuple(waits),
        )
        for head in self.heads():
            self.net.append((head.incarnation, beat))
        self.net += [(probe.incarnation, probe.frame) for probe in probes]

    def head_beat(self, head: Head) -> None:
        self.net += [(probe.incarnation, probe.frame) for probe in head.probes()]
        self.carry_out_head(head)

    # ---- faults

    def fault(self) -> None:
        kind = self.rng.choice(["crash", "head_crash", "reconnect", "absence", *2 * ["lose", "repeat"]])
        if getattr(self.faults, kind) <= 0:
            return
        if kind in ("lose", "repeat") and not self.net:
            return
        setattr(self.faults, kind, getattr(self.faults, kind) - 1)
        getattr(self, f"_{kind}")()

    def _crash(self) -> None:
        seat = self.rng.choice(list(self.live))
        name = self.live[seat]
        if name is None:
            self.spawn(seat)
            return
        if not (self.faults.zombies and self.rng.random() < 0.5):
            del self.processes[name]
        if self.rng.random() < 0.5:
            self.live[seat] = None  # nobody, for a while
            self.revision += 1
        else:
            self.spawn(seat)

    def _absence(self) -> None:
        """Beats that do not come through for a while: the record names it no more, and then again."""
        seat = self.rng.choice(list(self.live))
        name = self.live[seat]
        if name is not None and name in self.processes:
            self.live[seat], self.away[seat] = None, name
            self.revision += 1

    def come_back(self) -> None:
        for seat, name in self.away.items():
            if self.live[seat] is None:  # otherwise it was replaced, and goes on as a zombie
                self.live[seat] = name
                self.revision += 1
        self.away = {}

    def _head_crash(self) -> None:
        if self.faults.zombies and self.rng.random() < 0.5:
            self.zombie_heads.append(self.head)
        self.born += 1
        self.head = self._new_head(f"head-{self.born}", HOME)
        self.revision += 1

    def _redeliver(self, head: Head) -> None:
        """The queue is read anew, in the moment between the end of an input and its acknowledgement."""
        if head.live and self.faults.redeliver > 0 and self.rng.random() < 0.2:
            self.faults.redeliver -= 1
            for held in self.queues[head.queue].delivered():
                head.take(self._input(head.queue, held))

    def _lose(self) -> None:
        self.net.pop(self.rng.randrange(len(self.net)))

    def _repeat(self) -> None:
        again = self.rng.choice(self.net)
        self.net.append(again)
        if isinstance(again[1], Frame):
            self.repeated_parts += len(again[1].parts)

    def _reconnect(self) -> None:
        """A connection breaks: what was on its way to the process is gone."""
        name, process = self.rng.choice(list(self.processes.items()))
        process.connections += 1
        self.net = [(target, message) for target, message in self.net if target != name]
