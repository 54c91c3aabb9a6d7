"""The head of a queue, as a state machine: inputs in, frames and acknowledgements out.

The queue is an application's ingress, or the one before a task with `edge: queued`. The shell (`circe.reading`) reads
it, decodes what comes, and carries out what `poll` returns. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from circe.admission import Admission
from circe.credit import WINDOW, Amount
from circe.letters import Origin
from circe.lineage import Entry, Lineage, Outgoing
from circe.outbox import MAX_FRAME_PARTS, Outbox, SendControl, SendFrame
from circe.outputs import NOT_CHOSEN
from circe.window import Window
from runtime.item import Control, Report
from runtime.network import HOME
from runtime.records import Beat, EdgeRecord
from runtime.reference import Payload, Reference


class Input(NamedTuple):
    """One message of the queue."""

    sequence: int
    item_id: str
    payload: Payload
    headers: Mapping[str, str] | None
    task: str | None
    """The one entry task it is for; None for all of them."""
    token: str
    """What acknowledges it."""
    taken_s: float = 0.0
    again: bool = False
    """Whether it may have been in work before."""


class Acknowledge(NamedTuple):
    """These inputs have ended."""

    sequences: list[int]
    tokens: list[str]
    latencies_s: list[float]
    """From taken to ended."""


class Head:
    """The inputs in flight of one queue."""

    def __init__(
        self,
        incarnation: str,
        draw: Callable[[], int],
        queue: str = HOME,
        *,
        max_items: int,
        max_bytes: int,
        max_object_bytes: int = 1 << 30,
        window: Amount = WINDOW,
        frame_parts: int = MAX_FRAME_PARTS,
    ) -> None:
        """`queue`: the task whose queue it reads; `home` is the ingress."""
        self.incarnation = incarnation
        self.queue = queue
        self.counts: Counter[str] = Counter()
        self._lineage = Lineage(incarnation, draw)
        self._outbox = Outbox(incarnation, queue, window, frame_parts)
        self._entries: tuple[str, ...] = () if queue == HOME else (queue,)
        self._fed: tuple[str, ...] = ()
        self._in_flight = Window(max_items)
        self._max_bytes = max_bytes
        self._inputs: dict[int, Input] = {}
        self._admission: Admission[Input] = Admission(max_object_bytes)
        self._bytes = 0
        self._live = False
        self._max_items = max_items
        self._high = 0
        """The highest input it was given."""
        self._left_by_others = 0
        """How many inputs of those that come first may have been in work at other heads."""
        self._controls: list[SendControl] = []
        self._ended: list[int] = []

    @property
    def in_flight(self) -> int:
        return len(self._lineage)

    @property
    def window(self) -> int:
        """How many inputs it would keep in flight now."""
        return self._in_flight.size

    @property
    def resent(self) -> int:
        """Roots sent again since the start."""
        return self._lineage.resent

    @property
    def live(self) -> bool:
        """Whether the edge record names this head: only then may it read the queue."""
        return self._live

    @property
    def room(self) -> int:
        """How many more inputs it takes now."""
        if not self._live or self._outbox.blocked or self._bytes >= self._max_bytes:
            return 0
        return max(0, self._in_flight.size - len(self._lineage) - len(self._admission))

    def follow(self, edges: EdgeRecord) -> bool:
        """A newer edge record; whether what is not acknowledged has to be read again.

        That is so when inputs go to other tasks than before: those in flight are addressed to tasks that are no more.
        """
        self._live = edges.heads.get(self.queue) == self.incarnation
        is_readdressed = False
        if self.queue == HOME:
            is_readdressed = (self._entries, self._fed) != (edges.entries, edges.fed)
            self._entries, self._fed = edges.entries, edges.fed
        if is_readdressed:
            self.surrender()
        workers = edges.workers_of(self.queue)
        self._outbox.follow({task: workers.get(task, ()) for task in (*self._entries, *self._fed)}, edges.partitioned)
        self._resend(self._lineage.follow(workers))
        return is_readdressed

    def bound(self, *, max_items: int, max_bytes: int, max_object_bytes: int) -> None:
        """An edit of the application has changed its limits; what is in flight above them may end."""
        self._in_flight.bound(max_items)
        self._max_items = max(max_items, self._max_items)
        self._max_bytes = max_bytes
        self._admission.bound(max_object_bytes)

    def begin(self) -> None:
        """Before it reads what others have read before: they had no more in flight, and that comes first."""
        self._left_by_others = self._max_items

    def surrender(self) -> list[str]:
        """Give up what is in flight, because the queue is another head's now; the tokens of what is to come again."""
        self._outbox.clear()
        waiting = self._admission.clear()
        abandoned = [self._inputs[sequence] for sequence in self._lineage.abandon()]
        for item in abandoned:
            if isinstance(item.payload, Reference):
                self._admission.ended(item.payload.size_bytes)
        for item in (*abandoned, *waiting):
            del self._inputs[item.sequence]
            self._bytes -= len(item.payload)
        return [item.token for item in (*abandoned, *waiting)]

    def take(self, item: Input) -> None:
        """An input was read. One that is here already only renews what acknowledges it, also when it has just ended."""
        if item.sequence in self._inputs:
            self._inputs[item.sequence] = self._inputs[item.sequence]._replace(token=item.token)
            self.counts["delivered_again"] += 1
            return
        self._admit(item._replace(again=True) if self._was_given(item) else item)

    def _was_given(self, item: Input) -> bool:
        """Whether a head had this before, so that it may have come to something."""
        is_known = item.sequence <= self._high or self._left_by_others > 0
        self._high = max(self._high, item.sequence)
        self._left_by_others = max(0, self._left_by_others - 1)
        return is_known

    def _admit(self, item: Input) -> None:
        self._inputs[item.sequence] = item
        self._bytes += len(item.payload)
        self.counts["in"] += 1
        if not isinstance(item.payload, Reference) or self._admission.admit(item, item.payload.size_bytes):
            self._start(item)

    def _start(self, item: Input) -> None:
        self._send(
            self._lineage.start(item.sequence, item.item_id, self._addressed(item), item.headers, again=item.again)
        )

    def has(self, sequence: int) -> bool:
        """Whether this input was taken and has not ended."""
        return sequence in self._inputs

    @property
    def taken(self) -> int:
        """How many such inputs there are."""
        return len(self._inputs)

    def takes(self, task: str | None) -> bool:
        """Whether inputs may be addressed to that task; None is all entry tasks, if there are any."""
        return bool(self._entries) if task is None else task in self._entries or task in self._fed

    def _addressed(self, item: Input) -> tuple[Entry, ...]:
        """Who gets the input, and which entry tasks an absence, for the joins they share."""
        if item.task in self._fed:
            return (Entry(str(item.task), item.payload),)
        return tuple(
            Entry(task, item.payload) if item.task in (None, task) else Entry(task, None, NOT_CHOSEN)
            for task in self._entries
        )

    def origin(self, number: int) -> Origin | None:
        """The input behind a root that is in flight."""
        found = self._lineage.root(number)
        if found is None:
            return None
        item_id, entries, headers, _ = found
        given = [entry for entry in entries if entry.payload is not None]
        if not given:
            return None
        is_for_all = len(given) == len(entries) and given[0].task in self._entries
        return Origin(item_id, None if is_for_all else given[0].task, headers, given[0].payload or b"", self.queue)

    def attempt(self, number: int) -> int | None:
        """The newest attempt of a root; None when it is not in flight."""
        found = self._lineage.root(number)
        return None if found is None else found[3]

    def report(self, report: Report) -> None:
        """A worker is done with something."""
        self._ended += self._lineage.report(report)

    def beat(self, beat: Beat) -> None:
        """A worker's sign of life: send again what is lost, and tell it what is over."""
        waiting = frozenset(root for _, root, _ in self._outbox.held())
        outgoing, over = self._lineage.beat(beat, waiting)
        self._resend(outgoing)
        if over:
            self._controls.append(SendControl(beat.incarnation, Control(self.incarnation, None, 0, over)))

    def reconnected(self) -> None:
        """The bus connection was lost: what was under way may be."""
        self._resend(self._lineage.resend_all())

    def grant(self, control: Control) -> None:
        """Credit from an entry task."""
        if control.granted is not None:
            self._outbox.grant(control.sender, Amount(control.granted, control.granted_bytes))

    def _resend(self, outgoing: list[Outgoing]) -> None:
        """What waits of the attempts before need not go any more."""
        if outgoing:
            self._outbox.drop(self.incarnation, {part.root: part.attempt - 1 for _, part in outgoing})
            self._send(outgoing)

    def _send(self, outgoing: list[Outgoing]) -> None:
        for task, part in outgoing:
            self._outbox.put(task, self.incarnation, part)

    def poll(self, now_s: float) -> list[SendFrame | SendControl | Acknowledge]:
        """Frames that may leave now, word to workers, and what has ended."""
        # First what has ended: an input that waited for it may leave at once.
        ended = [self._acknowledge(self._ended, now_s)] if self._ended else []
        instructions: list[SendFrame | SendControl | Acknowledge] = [*self._outbox.flush(), *self._controls, *ended]
        self._controls, self._ended = [], []
        return instructions

    def _acknowledge(self, ended: list[int], now_s: float) -> Acknowledge:
        inputs = [self._inputs.pop(sequence) for sequence in ended]
        for item in inputs:
            if isinstance(item.payload, Reference):
                for waited in self._admission.ended(item.payload.size_bytes):
                    self._start(waited)
        self._bytes -= sum(len(item.payload) for item in inputs)
        self.counts["ended"] += len(ended)
        latencies_s = [now_s - item.taken_s for item in inputs]
        self._in_flight.ended(latencies_s, now_s)
        return Acknowledge(ended, [item.token for item in inputs], latencies_s)

    def probes(self) -> list[SendFrame]:
        """On each beat: ask blocked receivers for their credit."""
        return self._outbox.probes()
