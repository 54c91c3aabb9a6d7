"""One worker of one task, as a state machine: frames in, jobs for user code, frames and reports out.

The shell (`circe.worker`) decodes and encodes, runs the jobs, stores results and dead letters, and carries
out what `poll` returns. Pure: no clock, no event loop; ids come from `draw`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence, Set
from typing import TypeVar

from circe.appetite import UNSTORED_BYTES
from circe.credit import WINDOW, Amount, ReceiverLedger
from circe.job import Job, Result, numbered
from circe.join import Absent, Fired, Join, Late
from circe.outbox import MAX_FRAME_PARTS, Outbox, SendControl, SendFrame, SendReport
from circe.outputs import FILTERED, NOT_CHOSEN, Addressed, Output, address
from circe.seen import Seen, forget_strangers
from runtime.graph import TaskGraph
from runtime.item import Control, Frame, Part, Report
from runtime.network import HOME
from runtime.records import EdgeRecord, Held
from runtime.reference import Payload

T = TypeVar("T")

DEAD = "dead letter"
ENDED = "ended before"
REASONS = frozenset({FILTERED, NOT_CHOSEN, DEAD, ENDED})
"""Of absences. Whatever else a frame says is one reason more in the counts, not thousands."""


Instruction = SendFrame | SendReport | SendControl


class Flow:
    """The state of one worker."""

    def __init__(
        self,
        *,
        graph: TaskGraph,
        task: str,
        incarnation: str,
        draw: Callable[[], int],
        window: Amount = WINDOW,
        frame_parts: int = MAX_FRAME_PARTS,
    ) -> None:
        self.task = graph.tasks[task]
        self.incarnation = incarnation
        self.counts: Counter[str] = Counter()
        self._draw = draw
        self._window = window
        self._one_to_one = graph.enclosing_join(task) is not None
        self._stores = {HOME, *graph.queues}
        self._children = tuple(child for child in self.task.children if child not in self._stores)
        self._joins_below = {child for child in self._children if graph.reaches_join(child)}
        self._apart = {child for child in self.task.children if child in graph.queues and len(graph.parents(child)) > 1}
        self._gives = not self._stores.isdisjoint(self.task.children)
        """Whether anything that is done has to be stored."""
        self._parents = graph.parents(task)
        self._runs_apart = self.task.join == "each" and len(self._parents) > 1 and task not in self._stores
        self._join = Join(self._parents, self.task.join) if graph.is_join(task) else None
        self._outbox = Outbox(incarnation, task, window, frame_parts)
        self._seen: dict[str, Seen] = {}
        self._ledgers: dict[str, ReceiverLedger] = {}
        self._ready: deque[Job] = deque()
        self._open: dict[int, Job] = {}
        self._unstored_bytes = 0
        self._reports: dict[str, list[tuple[int, int, int]]] = {}
        self._report_numbers: Counter[str] = Counter()
        self._controls: list[SendControl] = []
        self._moved: dict[str, ReceiverLedger] = {}
        self._heads: frozenset[str] = frozenset()
        self._live: frozenset[str] = frozenset()
        self._retired: set[str] = set()
        self._strangers: set[str] = set()

    # ---- what comes in

    def follow(self, edges: EdgeRecord) -> None:
        """A newer edge record: whom to send to, and which heads are live."""
        heads = frozenset(edges.heads.values())
        gone = self._heads - heads
        self._retired = (self._retired | gone) - heads
        self._forget_heads(gone)
        self._end([job for job in self._open.values() if job.head in gone])
        self._heads = heads
        self._live = edges.incarnations() | heads
        self._outbox.follow({child: edges.workers.get(child, ()) for child in self._children}, edges.partitioned)

    def _forget_heads(self, heads: Set[str]) -> None:
        if heads:
            self._outbox.forget_heads(heads)
        if self._join is not None:
            self._join.forget_heads(heads)
        for head in heads:
            self._reports.pop(head, None)

    def frame(self, frame: Frame) -> None:
        """Parts from a parent, or the empty frame of a parent that waits for credit."""
        ledger = self._ledgers.get(frame.sender)
        if ledger is None:
            ledger = self._ledgers[frame.sender] = ReceiverLedger(self._window)
            forget_strangers(self._ledgers, self._live)
            forget_strangers(self._seen, self._live)
        size_bytes = sum([len(part.payload) for part in frame.parts if part.payload is not None])
        ledger.receive(Amount(frame.position, frame.position_bytes), Amount(len(frame.parts), size_bytes))
        if frame.number == 0:
            self._controls.append(SendControl(frame.sender, Control(self.incarnation, *ledger.granted, [])))
            return
        if not self._seen.setdefault(frame.sender, Seen()).is_new(frame.number):
            self.counts["dropped.repeated"] += len(frame.parts)
            return
        if frame.head in self._retired:
            self.counts["dropped.old_head"] += len(frame.parts)
            return
        if self._join is not None and frame.source not in self._parents:
            self.counts["dropped.stranger"] += len(frame.parts)
            return
        self.counts["in"] += len(frame.parts)
        if self._join is None:
            held = sum([self._take(frame, part) for part in frame.parts])
            ledger.hold(Amount(held, size_bytes))
        else:
            for part in frame.parts:
                self._meet(self._join, frame, part)
        self._moved[frame.sender] = ledger

    def _take(self, frame: Frame, part: Part) -> bool:
        """Whether it is a job now; an absence is none."""
        if self._runs_apart:
            # Parts of one item run apart, so their ids tell where they came from; those of a queue do so in it.
            part = part._replace(item_id=f"{part.item_id}.{frame.source}")
        if part.payload is None:
            self._pass_on(frame.head, part, part.mid, part.reason)
            return False
        job = Job(
            frame.head,
            part.root,
            part.attempt,
            part.item_id,
            part.mid,
            part.payload,
            part.headers,
            frame.sender,
        )
        self._enqueue(job)
        return True

    def _meet(self, join: Join, frame: Frame, part: Part) -> None:
        outcome = join.add(frame.head, frame.source, part)
        if outcome is None:  # as a rule, of all but the last part
            return
        match outcome:
            case Fired(parts, xor):
                inputs = {name: found.payload for name, found in parts.items() if found.payload is not None}
                headers = next(iter(parts.values())).headers
                job = Job(frame.head, part.root, part.attempt, part.item_id, xor, inputs, headers, None)
                self._enqueue(job)
            case Absent(xor, reason):
                self._pass_on(frame.head, part, xor, reason)
            case Late(xor):
                self._report(frame.head, part.root, part.attempt, xor)

    def _enqueue(self, job: Job) -> None:
        self._ready.append(job)
        self._open[id(job)] = job

    def _pass_on(self, head: str, part: Part, xor: int, reason: str) -> None:
        """User code is not called: the absence goes on to the joins below."""
        self.counts[f"absent.{reason if reason in REASONS else 'other'}"] += 1
        for child in self._children:
            if child in self._joins_below:
                mid = self._draw() or 1
                xor ^= mid
                self._outbox.put(child, head, part._replace(mid=mid, payload=None, reason=reason))
        self._report(head, part.root, part.attempt, xor)

    def control(self, control: Control) -> None:
        """Credit from a child, or word from a head about roots that are over."""
        if control.granted is not None:
            self._outbox.grant(control.sender, Amount(control.granted, control.granted_bytes))
        if control.over:
            self._drop(control.sender, control.over)

    def _drop(self, head: str, over: Sequence[tuple[int, int, bool]]) -> None:
        """Attempts that nobody waits for any more: neither their parts nor their queued jobs are of use.

        What is in work is of use until its input has ended: a result that is there need not be stored again.
        """
        attempts = {root: attempt for root, attempt, _ in over}
        ended = {root for root, _, is_ended in over if is_ended}
        self._outbox.drop(head, attempts)
        if self._join is not None:
            for root, attempt in attempts.items():
                self._join.forget(head, root, attempt)
        jobs = [job for job in self._open.values() if job.head == head and job.attempt <= attempts.get(job.root, 0)]
        for job in jobs:
            job.is_late = True
        self._end([job for job in jobs if job.root in ended])
        self._unqueue(jobs)

    def _end(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            job.is_over = True
        self._unqueue(jobs)

    def _unqueue(self, jobs: Sequence[Job]) -> None:
        dropped = {id(job) for job in jobs}
        for job in [job for job in self._ready if id(job) in dropped]:
            self._let_go(job)
        self._ready = deque(job for job in self._ready if id(job) not in dropped)

    def _let_go(self, job: Job) -> None:
        self.counts["dropped.old_attempt"] += 1
        self._close(job)

    # ---- user code

    @property
    def blocked(self) -> bool:
        """A child has no credit for us: its senders wait, so we do not read on."""
        return self._outbox.blocked

    @property
    def idle(self) -> bool:
        """Nothing waits, runs or is being stored here (parts in a join aside)."""
        return not self._open and not self._outbox.blocked

    @property
    def backlog(self) -> int:
        return len(self._ready)

    def take(self, limit: int) -> list[Job]:
        """The next jobs to run; none while blocked, or while too much of what was given is not stored."""
        if self._outbox.blocked or self._unstored_bytes >= UNSTORED_BYTES:
            return []
        return [self._ready.popleft() for _ in range(min(limit, len(self._ready)))]

    def lets_go(self, job: Job) -> bool:
        """Whether what came of a job that user code had is of no use any more; it is closed then."""
        if job.is_over:
            self._let_go(job)
        return job.is_over

    def done(self, job: Job, outputs: Sequence[Output[Payload]]) -> list[Result]:
        """User code returned: what to store before the job counts as done. Raises BranchError."""
        if not self.task.children:
            self.counts["sunk"] += len(outputs)
            outputs = ()
        if not outputs:
            self.counts["filtered"] += 1
        addressed = address(job.item_id, outputs, self.task.children, one_to_one=self._one_to_one)
        self._send_on(job, addressed)
        results = self._results(job, addressed) if self._gives else []
        if not results:
            self._finish(job)
        return results

    def _results(self, job: Job, addressed: Sequence[Addressed[Payload]]) -> list[Result]:
        results = [Result(job, item_id, payload, child) for child, item_id, payload in self._stored(addressed)]
        if len(addressed) > 1:
            results = numbered(results, addressed, is_choice=self.task.route != "all")
        job.unstored = len(results)
        job.result_bytes = sum([len(result.payload) for result in results])
        self._unstored_bytes += job.result_bytes
        return results

    def stored_as(self, job: Job, outputs: Sequence[Output[T]]) -> Iterator[tuple[str, str, T]]:
        """Child, id and payload of what `done` will want stored. Raises BranchError."""
        return self._stored(address(job.item_id, outputs, self.task.children, one_to_one=self._one_to_one))

    def _stored(self, addressed: Sequence[Addressed[T]]) -> Iterator[tuple[str, str, T]]:
        for child, item_id, payload, _ in addressed:
            if child in self._stores and payload is not None:
                yield child, self._id_in(child, item_id), payload

    def _id_in(self, child: str, item_id: str) -> str:
        """Under which id a queue holds an output: in one of several writers the id tells which."""
        return f"{item_id}.{self.task.name}" if child in self._apart else item_id

    def dead(self, job: Job) -> None:
        """The job's dead letter is stored: children that have no answer yet get absences."""
        self._give_nothing(job, "dead", DEAD)

    def ended_before(self, job: Job) -> None:
        """Another attempt's end of the item is stored, be it results or a dead letter: this one gives nothing."""
        self._give_nothing(job, "ended_before", ENDED)

    def _give_nothing(self, job: Job, count: str, reason: str) -> None:
        self.counts[count] += 1
        if not job.is_sent:  # a second answer would wait in a join for ever
            self._send_on(job, [Addressed(child, job.item_id, None, reason) for child in self._children])
        self._finish(job)

    def superseded(self, job: Job) -> None:
        """The head goes by a newer attempt, or needs none any more: whatever became of this one."""
        self._let_go(job)

    def is_first(self, job: Job) -> bool:
        """Whether no older attempt at the item is still in work here: their ends are decided one after the other."""
        name = (job.head, job.root, job.item_id)
        return not any(
            each.attempt < job.attempt and (each.head, each.root, each.item_id) == name for each in self._open.values()
        )

    def stored(self, result: Result) -> bool:
        """A result is stored in its queue; whether its job is to become a dead letter now."""
        self.counts["results" if result.child == HOME else "out"] += not result.job.is_moot
        return self._answered(result.job)

    def refused(self, result: Result, reason: str) -> bool:
        """A result will never be; whether its job is to become a dead letter now."""
        result.job.refusal = result.job.refusal or reason
        return self._answered(result.job)

    def _answered(self, job: Job) -> bool:
        job.unstored -= 1
        if job.unstored == 0:
            self._unstored_bytes -= job.result_bytes
        if job.unstored == 0 and not job.refusal:
            self._finish(job)
        return job.unstored == 0 and bool(job.refusal)

    def _send_on(self, job: Job, addressed: list[Addressed[Payload]]) -> None:
        """Queue the parts for the children; their ids enter the job's XOR."""
        job.is_sent = True
        sent, xor = 0, job.xor
        for child, item_id, payload, reason in addressed:
            if child in self._stores or (payload is None and child not in self._joins_below):
                continue  # nobody needs to know of that absence
            mid = self._draw() or 1
            xor ^= mid
            sent += payload is not None
            part = Part(job.root, job.attempt, mid, item_id, payload, reason, job.headers)
            self._outbox.put(child, job.head, part)
        job.xor = xor
        self.counts["out"] += sent

    def _finish(self, job: Job) -> None:
        """All is stored or sent on: tell the head, and give the sender its credit back.

        Not of a job that is over, whose results were not stored. Its head may be one that we have yet to hear of.
        """
        if not job.is_over:
            self._report(job.head, job.root, job.attempt, job.xor)
        self._close(job)

    def _close(self, job: Job) -> None:
        del self._open[id(job)]
        if job.sender is not None and (ledger := self._ledgers.get(job.sender)) is not None:
            ledger.release(len(job.inputs))  # a job with a sender has one payload
            self._moved[job.sender] = ledger

    def _report(self, head: str, root: int, attempt: int, xor: int) -> None:
        self._reports.setdefault(head, []).append((root, attempt, xor))

    # ---- what goes out

    def poll(self) -> list[Instruction]:
        """Frames that may leave now, then reports, then credit."""
        instructions: list[Instruction] = list(self._outbox.flush())
        for head, entries in self._reports.items():
            self._report_numbers[head] += 1
            forget_strangers(self._report_numbers, self._heads)
            report = Report(self.incarnation, self._report_numbers[head], entries)
            instructions.append(SendReport(head, report))
        self._reports = {}
        for sender, ledger in self._moved.items():
            granted = ledger.due(at_once=self.task.replicas > 1)
            if granted is not None:
                self._controls.append(SendControl(sender, Control(self.incarnation, *granted, [])))
        self._moved = {}
        instructions += self._controls
        self._controls = []
        return instructions

    def beat(self) -> tuple[list[Held], list[Held], list[Instruction]]:
        """What waits for a machine here, what waits for siblings, and what to send to get unstuck."""
        holds = {(job.head, job.root, job.attempt) for job in self._open.values() if not job.is_over}
        holds.update(self._outbox.held())
        waits = sorted(self._join.waiting()) if self._join is not None else []
        self._forget_strangers(waits)
        return sorted(holds), waits, list(self._outbox.probes())

    def _forget_strangers(self, waits: Sequence[Held]) -> None:
        """What a head sent before it was replaced may come to a worker that never heard of it."""
        strangers = {head for head, _, _ in waits} | {job.head for job in self._open.values()}
        strangers -= self._heads
        lasting = strangers & self._strangers
        self._forget_heads(lasting)
        self._end([job for job in self._open.values() if job.head in lasting])
        self._strangers = strangers

    def waiting(self) -> int:
        """Items in the join store."""
        return len(self._join) if self._join is not None else 0
