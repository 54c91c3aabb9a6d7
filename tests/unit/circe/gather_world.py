"""A world around the shipping machines of one gather: the model check of its groups.

Processes with a `GatherHead` and a `Flow` each, of which the edge record names one as the head; a queue that gives
again what is not acknowledged; a journal that refuses a write that does not follow the one its writer has read; an
egress that refuses an id it holds. Processes die at any step, or go on as zombies with an old record. Then faults
stop, and every item must be in exactly one stored group, or be a dead letter. A breach raises `BreachError`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from circe.credit import Amount
from circe.flow import Flow
from circe.gather import GatherHead
from circe.groups import State, decode_state, encode_state, unpack
from circe.head import Acknowledge, Input
from circe.job import Result
from circe.outbox import SendControl, SendFrame, SendReport
from circe.outputs import Output
from runtime.graph import Gather, Task, TaskGraph
from runtime.item import Control, Frame, Report
from runtime.network import HOME
from runtime.records import READY, Beat, EdgeRecord
from tests.unit.circe.protocol_world import BreachError

TASK = "g"
GRAPH = TaskGraph({TASK: Task(name=TASK, script="g.py", children=(HOME,), edge="queued", gather=Gather())}, ())


@dataclass
class Faults:
    """How many of each may still happen."""

    crash: int = 3
    zombies: bool = True
    lose: int = 3
    repeat: int = 3
    reconnect: int = 2


@dataclass(eq=False)
class Process:
    """One worker of the gather, and what its shell has under way."""

    name: str
    head: GatherHead
    flow: Flow
    follows: EdgeRecord
    results: list[Result] = field(default_factory=list)
    sorting: list[Input] = field(default_factory=list)
    keeping: bytes | None = None
    is_fencing: bool = False
    position: int = 0
    """Of the journal, as far as this process knows."""
    writes: int = 0
    beats: int = 0
    connections: int = 1


class World:
    def __init__(self, seed: int, rule: Gather, faults: Faults, *, items: int = 9, sorts: bool = True) -> None:
        self.rng = Random(seed)
        self.rule, self.faults, self.sorts = rule, faults, sorts
        self.keys = self.rng.choice(["a", "ab", "abc"])
        self.deafness = self.rng.choice([0.0, 0.7, 0.9])
        self.now_s = 0.0
        self.quiet = False
        self.queue = dict.fromkeys(range(1, items + 1), "pending")
        self.journal = encode_state(State("s"), "", 0)
        self.journal_position = 0
        self.egress: dict[str, tuple[int, list[bytes]]] = {}
        self.letters: set[int] = set()
        self.net: list[tuple[str, object]] = []
        self.processes: list[Process] = []
        self.edges = EdgeRecord(app="model", revision=0, segments={TASK: (TASK,)})
        self.max_items = self.rng.choice([2, 4, 8, 100])
        self.born = 0
        self._appoint(self._spawn())

    # ---- processes and records

    def _spawn(self) -> Process:
        self.born += 1
        name = f"g-{self.born}"
        window = Amount(self.rng.randint(1, 4), 1000)
        head = GatherHead(
            name,
            lambda: self.rng.getrandbits(64),
            TASK,
            self.rule,
            sorts=self.sorts,
            max_items=self.max_items,
            max_bytes=self.rng.choice([20, 10_000]),
            group_bytes=self.rng.choice([16, 1000]),
            window=window,
        )
        flow = Flow(graph=GRAPH, task=TASK, incarnation=name, draw=lambda: self.rng.getrandbits(64), window=window)
        process = Process(name, head, flow, self.edges)
        self.processes.append(process)
        return process

    def _appoint(self, process: Process) -> None:
        """Another head, and perhaps another worker beside it."""
        names = [process.name]
        names += [each.name for each in self.processes if each is not process and self.rng.random() < 0.3]
        self.edges = EdgeRecord(
            app="model",
            revision=self.edges.revision + 1,
            workers={TASK: tuple(names)},
            heads={TASK: process.name},
            segments={TASK: (TASK,)},
        )

    def _reset(self) -> None:
        for sequence in self.queue:
            self._comes_again(sequence)

    def process(self, name: str) -> Process | None:
        return next((each for each in self.processes if each.name == name), None)

    # ---- what shells do

    def follow(self, process: Process) -> None:
        if process.follows.revision == self.edges.revision or (not self.quiet and self.rng.random() < self.deafness):
            return
        process.follows = self.edges
        process.head.follow(self.edges)
        process.flow.follow(self.edges)
        if not process.head.live:
            self._give_back(process)

    def _give_back(self, process: Process) -> None:
        """What the queue gave to it comes again, if nobody has acknowledged it. User code goes on with what it has."""
        process.keeping, process.is_fencing = None, False
        for token in process.head.surrender():
            self._comes_again(int(token))

    def _comes_again(self, sequence: int) -> None:
        if self.queue[sequence] == "out":
            self.queue[sequence] = "pending"

    def recover(self, process: Process) -> None:
        """Read the journal, and begin to write what keeps the last head out."""
        if process.head.live and not process.head._is_recovered and process.keeping is None:
            state, _, _ = decode_state(self.journal)
            process.position = self.journal_position
            floor = next((each - 1 for each, what in self.queue.items() if what != "acknowledged"), len(self.queue))
            self._write(process, process.head.recover(state, "s", floor if self.rng.random() < 0.5 else 0))
            process.is_fencing = True

    def _write(self, process: Process, state: State) -> None:
        process.writes += 1
        process.keeping = encode_state(state, process.name, process.writes)

    def keep(self, process: Process) -> None:
        """One try of the write that is under way."""
        if process.keeping is None:
            state = process.head.to_keep() if process.head._is_recovered else None
            if state is not None:
                self._write(process, state)
            return
        if process.position == self.journal_position:
            self.journal, self.journal_position = process.keeping, self.journal_position + 1
        elif self.journal != process.keeping:
            self._is_replaced(process)
            return
        if not self.quiet and self.rng.random() < 0.1:
            return  # the answer was lost: written again later
        process.position, process.keeping = self.journal_position, None
        if process.is_fencing:
            process.head.recovered()
            process.is_fencing = False
            self._reset()
        else:
            process.head.kept()

    def _is_replaced(self, process: Process) -> None:
        if process.is_fencing and process.name == self.edges.heads[TASK]:
            self._give_back(process)  # the last head wrote once more: read it again
        else:
            self.processes.remove(process)

    def pull(self, process: Process) -> None:
        """The queue gives to whoever asks, the next head or the last one."""
        pending = [sequence for sequence, state in self.queue.items() if state == "pending"]
        if pending and process.head.room > 0:
            self.queue[pending[0]] = "out"
            sequence = pending[0]
            item = Input(sequence, f"r-{sequence}", b"%d" % sequence, None, None, str(sequence), self.now_s)
            process.head.take(item)

    def sort(self, process: Process) -> None:
        process.sorting += process.head.to_sort(self.rng.randint(1, 9))
        if process.sorting:
            item = process.sorting.pop(self.rng.randrange(len(process.sorting)))
            if item.sequence % 7 == 0:
                self.letters.add(item.sequence)
                process.head.dead(item.sequence)
            else:
                key = self.keys[item.sequence % len(self.keys)]
                process.head.sort(item.sequence, key, is_last=item.sequence % 5 == 0, now_s=self.now_s)

    def turn(self, process: Process) -> None:
        for instruction in process.head.poll(self.now_s):
            match instruction:
                case SendFrame(_, incarnation, frame):
                    self.net.append((incarnation, frame))
                case SendControl(incarnation, control):
                    self.net.append((incarnation, control))
                case Acknowledge(sequences, _, _):
                    for sequence in sequences:
                        self._acknowledge(sequence)
        for message in process.flow.poll():
            match message:
                case SendReport(head, report):
                    self.net.append((head, report))
                case SendControl(incarnation, control):
                    self.net.append((incarnation, control))

    def _acknowledge(self, sequence: int) -> None:
        if sequence not in self.letters and not self._groups_with(sequence):
            raise BreachError(f"item {sequence} is acknowledged and nowhere")
        is_lost = not self.quiet and self.rng.random() < 0.2
        self.queue[sequence] = "pending" if is_lost else "acknowledged"

    def _groups_with(self, sequence: int) -> list[str]:
        return [item_id for item_id, (_, members) in self.egress.items() if b"%d" % sequence in members]

    def run(self, process: Process) -> None:
        for job in process.flow.take(1):
            assert isinstance(job.inputs, bytes)
            process.results += process.flow.done(job, [Output(job.inputs)])

    def store(self, process: Process) -> None:
        if not process.results:
            return
        result = process.results[0]
        found = result.job.root, unpack(result.payload)
        if self.egress.setdefault(result.item_id, found) != found:
            raise BreachError(f"{result.item_id} is {self.egress[result.item_id]}, and now {found}")
        if self.quiet or self.rng.random() < 0.9:
            process.results.pop(0)
            process.flow.stored(result)

    def deliver(self) -> None:
        target, message = self.net.pop(self.rng.randrange(len(self.net)))
        process = self.process(target)
        match message:
            case Frame() if process:
                process.flow.frame(message)
            case Control() if process:
                # One address for both: what is for the other counts nothing.
                process.flow.control(message)
                process.head.grant(message)
            case Report() if process:
                process.head.report(message)
            case Beat() if process:
                process.head.beat(message)

    def beat(self, process: Process) -> None:
        holds, waits, _ = process.flow.beat()
        process.beats += 1
        beat = Beat(
            app="model",
            task=TASK,
            incarnation=process.name,
            node="n",
            state=READY,
            number=process.beats,
            connections=process.connections,
            holds=tuple(holds),
            waits=tuple(waits),
        )
        self.net += [(each.name, beat) for each in self.processes]
        self.net += [(probe.incarnation, probe.frame) for probe in process.head.probes()]

    # ---- faults and the walk

    def fault(self) -> None:
        kind = self.rng.choice(["crash", "crash", "lose", "repeat", "reconnect"])
        if getattr(self.faults, kind) <= 0 or (kind in ("lose", "repeat") and not self.net):
            return
        setattr(self.faults, kind, getattr(self.faults, kind) - 1)
        head = self.process(self.edges.heads[TASK])
        match kind:
            case "crash":
                if head is not None and not (self.faults.zombies and self.rng.random() < 0.5):
                    self.processes.remove(head)
                others = [each for each in self.processes if each is not head]
                self._appoint(self.rng.choice(others) if others and self.rng.random() < 0.4 else self._spawn())
            case "lose":
                self.net.pop(self.rng.randrange(len(self.net)))
            case "repeat":
                self.net.append(self.rng.choice(self.net))
            case "reconnect" if head is not None:
                head.head.reconnected()
                head.connections += 1
                self._reset()

    def walk(self, steps: int = 400) -> None:
        for _ in range(steps):
            self._step()
        self._settle()

    def _step(self) -> None:
        chance = self.rng.random()
        if chance < 0.25:
            if self.net:
                self.deliver()
            return
        if chance < 0.28:
            self.now_s += self.rng.choice([0.1, 1.0, 6.0])
            return
        if chance < 0.32:
            self.fault()
            return
        if not self.processes:
            self._appoint(self._spawn())
        process = self.rng.choice(self.processes)
        steps = (self.follow, self.recover, self.keep, self.pull, self.sort, self.turn, self.run, self.store, self.beat)
        self.rng.choice(steps)(process)

    def _settle(self) -> None:
        """No more faults; whoever is not in the record hears of it and goes."""
        self.quiet = True
        self._reset()  # what was given to those who have gone comes again after the acknowledgement's time
        for _ in range(400):
            if not all(self.process(name) for name in self.edges.workers[TASK]):
                self._appoint(self._spawn())
            for process in list(self.processes):
                for step in (self.follow, self.recover, self.keep, self.pull, self.sort, self.turn, self.run):
                    step(process)
                self.store(process)
                self.turn(process)
                self.beat(process)
            if any(each.name not in self.edges.workers[TASK] for each in self.processes):
                self.processes = [each for each in self.processes if each.name in self.edges.workers[TASK]]
                self._reset()
            while self.net:
                self.deliver()
            self.now_s += 10.0
            if self.is_over():
                self._check()
                return
        raise BreachError(f"never ends: {self.queue}, egress {self.egress}")

    def is_over(self) -> bool:
        head = self.process(self.edges.heads[TASK])
        return set(self.queue.values()) == {"acknowledged"} and head is not None and not head.head.in_flight

    def _check(self) -> None:
        for sequence in self.queue:
            groups = self._groups_with(sequence)
            if len(groups) != (sequence not in self.letters):
                raise BreachError(f"item {sequence} is in {groups}")
        state, _, _ = decode_state(self.journal)
        if state.groups or state.open:
            raise BreachError(f"the journal keeps {state}")
