"""A world in which the shipping state machines meet every fault: the model check of the protocol.

`World` holds one `Head` and one `Flow` per task, a network that loses, repeats, delays and reorders, a
queue, an egress that refuses an id it holds, and an edge record that everybody follows late. `walk` takes
random steps with faults, then faults stop and every root must end. A breach raises `BreachError`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from circe.credit import Amount
from circe.flow import Flow, Job, Result, SendControl, SendReport
from circe.head import Acknowledge, Head, Input
from circe.outbox import SendFrame
from runtime.graph import TaskGraph
from runtime.item import Control, Frame, Report
from runtime.network import HOME
from runtime.records import READY, Beat, EdgeRecord
from tests.unit.circe.protocol_ends import Ends, behaviour, expected, is_refused


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
    """The queue gives again what the head has: it was read anew after a connection was lost."""
    absence: int = 1
    """A worker counts as gone for a while, and is back as the one it was."""
    zombies: bool = True


@dataclass
class Process:
    """One worker: its machine, the results it has yet to store, and its late view of the edges."""

    task: str
    flow: Flow
    results: list[Result] = field(default_factory=list)
    beats: int = 0
    connections: int = 1


class World:
    def __init__(self, graph: TaskGraph, styles: dict[str, str], seed: int, faults: Faults, roots: int = 6) -> None:
        self.graph, self.styles, self.faults = graph, styles, faults
        self.rng = Random(seed)
        self.net: list[tuple[str, object]] = []
        self.queue = dict.fromkeys(range(1, roots + 1), "pending")
        self.egress: dict[tuple[str, str], int] = {}
        self.letters: Ends = set()
        self.processes: dict[str, Process] = {}
        self.live: dict[str, str | None] = {}
        self.away: dict[str, str] = {}
        self.flows: list[Flow] = []
        self.repeated_parts = 0
        self.born = 0
        self.revision = 0
        self.quiet = False
        self.zombie_heads: list[Head] = []
        self.max_items = self.rng.randint(1, 4)
        self.head = self._new_head()
        for task in graph.tasks:
            self._spawn(task)
        for process in self.processes.values():
            process.flow.follow(self.edges())
        self.head.follow(self.edges())

    # ---- processes and records

    def _draw(self) -> int:
        return self.rng.getrandbits(64)

    def _new_head(self) -> Head:
        self.born += 1
        return Head(
            f"head-{self.born}",
            self._draw,
            max_items=self.max_items,
            max_bytes=1 << 20,
            window=Amount(self.rng.randint(1, 4), self.rng.choice([1, 3, 1000])),
            frame_parts=self.rng.randint(1, 3),
        )

    def _spawn(self, task: str) -> None:
        self.born += 1
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
        self.processes[name] = Process(task, flow)
        self.live[task] = name
        self.revision += 1

    def edges(self) -> EdgeRecord:
        workers = {task: (name,) for task, name in self.live.items() if name is not None}
        return EdgeRecord(
            app="model",
            revision=self.revision,
            entries=self.graph.entries,
            workers=workers,
            heads={HOME: self.head.incarnation},
            segments={HOME: self.graph.segment(*self.graph.entries)},
        )

    # ---- steps

    def deliver(self, index: int) -> None:
        target, message = self.net.pop(index)
        head = next((head for head in [self.head, *self.zombie_heads] if head.incarnation == target), None)
        process = self.processes.get(target)
        match message:
            case Frame() if process:
                process.flow.frame(message)
            case Report() if head:
                head.report(message)
                self._redeliver()
                self._carry_out_head(head)
            case Control() if process:
                process.flow.control(message)
            case Control() if head:
                head.grant(message)
            case Beat() if head:
                head.beat(message)

    def pull(self) -> None:
        pending = [sequence for sequence, state in self.queue.items() if state == "pending"]
        if pending and self.head.room > 0:
            sequence = pending[0]
            self.queue[sequence] = "out"
            self.head.take(self._input(sequence))

    @staticmethod
    def _input(sequence: int) -> Input:
        return Input(sequence, f"i{sequence}", b"input", None, None, str(sequence))

    def run(self, process: Process) -> None:
        for job in process.flow.take(1):
            outputs = behaviour(self.graph, self.styles, process.task, job.item_id)
            process.results += process.flow.done(job, outputs)

    def store(self, process: Process) -> None:
        result = process.results[0]
        is_refused_ = is_refused(self.styles, process.task, result.item_id)
        if not is_refused_:
            self._store(process.task, result.item_id, result.job)
        if not self.quiet and self.rng.random() < 0.1:
            return  # the answer was lost: it is stored again later
        process.results.pop(0)
        if process.flow.refused(result.job, "too big") if is_refused_ else process.flow.stored(result.job):
            self.letters.add((process.task, result.job.item_id))
            process.flow.dead(result.job)

    def _store(self, task: str, item_id: str, job: Job) -> None:
        held = self.egress.setdefault((task, item_id), job.root)
        if held != job.root:
            raise BreachError(f"{item_id} of root {job.root} is taken by root {held}")

    def poll(self, process: Process) -> None:
        for instruction in process.flow.poll():
            match instruction:
                case SendFrame(_, incarnation, frame):
                    self.net.append((incarnation, frame))
                case SendReport(head, report):
                    self.net.append((head, report))
                case SendControl(incarnation, control):
                    self.net.append((incarnation, control))

    def _carry_out_head(self, head: Head) -> None:
        for instruction in head.poll(0.0):
            match instruction:
                case SendFrame(_, incarnation, frame):
                    self.net.append((incarnation, frame))
                case SendControl(incarnation, control):
                    self.net.append((incarnation, control))
                case Acknowledge(sequences):
                    for sequence in sequences:
                        self._acknowledge(sequence)

    def _acknowledge(self, sequence: int) -> None:
        results, letters = expected(self.graph, self.styles, f"i{sequence}")
        missing = (results - set(self.egress)) | (letters - self.letters)
        if missing:
            raise BreachError(f"root {sequence} ended early: {sorted(missing)} missing")
        self.queue[sequence] = "acknowledged"

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
        for head in [self.head, *self.zombie_heads]:
            self.net.append((head.incarnation, beat))
        self.net += [(probe.incarnation, probe.frame) for probe in probes]

    def head_beat(self, head: Head) -> None:
        self.net += [(probe.incarnation, probe.frame) for probe in head.probes()]
        self._carry_out_head(head)

    # ---- faults

    def fault(self) -> None:
        kind = self.rng.choice(["crash", "head_crash", "lose", "repeat", "lose", "repeat", "reconnect", "absence"])
        if getattr(self.faults, kind) <= 0:
            return
        if kind in ("lose", "repeat") and not self.net:
            return
        setattr(self.faults, kind, getattr(self.faults, kind) - 1)
        getattr(self, f"_{kind}")()

    def _crash(self) -> None:
        task = self.rng.choice(list(self.graph.tasks))
        name = self.live[task]
        if name is None:
            self._spawn(task)
            return
        if not (self.faults.zombies and self.rng.random() < 0.5):
            del self.processes[name]
        if self.rng.random() < 0.5:
            self.live[task] = None  # nobody, for a while
            self.revision += 1
        else:
            self._spawn(task)

    def _absence(self) -> None:
        """Beats that do not come through for a while: the record names it no more, and then again."""
        task = self.rng.choice(list(self.graph.tasks))
        name = self.live[task]
        if name is not None and name in self.processes:
            self.live[task], self.away[task] = None, name
            self.revision += 1

    def _come_back(self) -> None:
        for task, name in self.away.items():
            if self.live[task] is None:  # otherwise it was replaced, and goes on as a zombie
                self.live[task] = name
                self.revision += 1
        self.away = {}

    def _head_crash(self) -> None:
        if self.faults.zombies and self.rng.random() < 0.5:
            self.zombie_heads.append(self.head)
        self.head = self._new_head()
        self.revision += 1
        for sequence, state in self.queue.items():
            if state == "out":
                self.queue[sequence] = "pending"

    def _redeliver(self) -> None:
        """The queue is read anew, in the moment between the end of an input and its acknowledgement."""
        if self.faults.redeliver > 0 and self.rng.random() < 0.2:
            self.faults.redeliver -= 1
            for sequence, state in self.queue.items():
                if state == "out":
                    self.head.take(self._input(sequence))

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

    # ---- the walk

    def walk(self, steps: int = 260) -> None:
        for _ in range(steps):
            self._step()
        self._settle()

    def _step(self) -> None:
        rng, chance = self.rng, self.rng.random()
        processes = list(self.processes.items())
        name, process = rng.choice(processes) if processes else ("", None)
        if chance < 0.38:
            if self.net:
                self.deliver(rng.randrange(len(self.net)))
        elif process is None or chance < 0.46:
            self.pull()
        elif chance < 0.58:
            self.run(process)
        elif chance < 0.66:
            if process.results:
                self.store(process)
        elif chance < 0.78:
            self.poll(process)
        elif chance < 0.84:
            self._carry_out_head(rng.choice([self.head, *self.zombie_heads]))
        elif chance < 0.90:
            rng.choice([*(found.flow for _, found in processes), self.head, *self.zombie_heads]).follow(self.edges())
        elif chance < 0.95:
            self.beat(name, process)
        elif chance < 0.965:
            self.head_beat(self.head)
        elif chance < 0.97:
            self._come_back()
        else:
            self.fault()

    def _settle(self) -> None:
        self.quiet = True
        self._come_back()
        for task, name in self.live.items():
            if name is None:
                self._spawn(task)
        for round_number in range(200):
            for process in self.processes.values():
                process.flow.follow(self.edges())
            for head in [self.head, *self.zombie_heads]:
                head.follow(self.edges())
            self._work_off()
            if round_number > 4 and not self._remains():
                self._check_drops()
                return
            for name, process in list(self.processes.items()):
                self.beat(name, process)
            self.head_beat(self.head)
        raise BreachError(f"never ends: {self._remains()}")

    def _check_drops(self) -> None:
        """A frame is taken for a repeated one only if it was: otherwise nothing but time would bring its parts."""
        dropped = sum(flow.counts["dropped.repeated"] for flow in self.flows)
        if dropped > self.repeated_parts:
            raise BreachError(f"{dropped} parts dropped as repeated, {self.repeated_parts} were")

    def _work_off(self) -> None:
        for _ in range(20_000):
            before = len(self.net)
            self.pull()
            for process in self.processes.values():
                self.run(process)
                while process.results:
                    self.store(process)
                self.poll(process)
            self._carry_out_head(self.head)
            for head in self.zombie_heads:
                self._carry_out_head(head)
            if not self.net:
                if before == 0 and not any(p.flow.backlog and not p.flow.blocked for p in self.processes.values()):
                    return
                continue
            self.deliver(self.rng.randrange(len(self.net)))
        raise BreachError("livelock")

    def _remains(self) -> list[str]:
        """What is left: roots that have not ended, and stores of live processes that are not empty."""
        left = [f"root {sequence} {state}" for sequence, state in self.queue.items() if state != "acknowledged"]
        left += [f"head holds {self.head.in_flight}"] * (self.head.in_flight > 0)
        for name in self.live.values():
            flow = self.processes[str(name)].flow
            if flow.waiting() or not flow.idle:
                left.append(f"{name} holds {flow.waiting()} waiting, idle {flow.idle}")
        return left
