"""The sending side of direct edges: parts wait for a live receiver with credit, and leave as frames. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Set
from typing import NamedTuple

from circe.credit import Amount, SenderLedger
from circe.sharing import Room, by_credit, by_item
from runtime.item import Control, Frame, Part, Report
from runtime.records import Held

MAX_FRAME_PARTS = 1024
FRAME_BYTES = 256 * 1024
"""A frame's payloads and headers are no more than this; one larger item travels alone."""

KEPT_LEDGERS = 256
"""Of receivers that have gone, the last so many."""


class SendFrame(NamedTuple):
    """Send `frame` to this incarnation of `task`."""

    task: str
    incarnation: str
    frame: Frame


class SendReport(NamedTuple):
    """Tell a head what is done."""

    head: str
    report: Report


class SendControl(NamedTuple):
    """Grant credit to an incarnation, or tell it what is over."""

    incarnation: str
    control: Control


class Outbox:
    """What one sender has for its children."""

    def __init__(self, sender: str, source: str, window: Amount, frame_parts: int = MAX_FRAME_PARTS) -> None:
        self._sender = sender
        self._source = source
        self._window = window
        self._frame_parts = frame_parts
        self._queues: dict[str, deque[tuple[str, Part]]] = {}
        self._receivers: Mapping[str, tuple[str, ...]] = {}
        self._partitioned: Collection[str] = ()
        self._turns: dict[str, int] = {}
        self._ledgers: dict[str, SenderLedger] = {}

    @property
    def blocked(self) -> bool:
        """Whether something waits for a receiver or for credit."""
        return any(self._queues.values())

    def put(self, child: str, head: str, part: Part) -> None:
        queue = self._queues.get(child)
        if queue is None:
            queue = self._queues[child] = deque()
        queue.append((head, part))

    def drop(self, head: str, over: Mapping[int, int]) -> None:
        """Attempts up to these, by root, count no more: what waits of them would only come to rival the next."""
        for child, queue in self._queues.items():
            self._queues[child] = deque(
                (name, part) for name, part in queue if name != head or part.attempt > over.get(part.root, 0)
            )

    def forget_heads(self, heads: Set[str]) -> None:
        """Nobody waits for what comes of their parts."""
        for child, queue in self._queues.items():
            if any(name in heads for name, _ in queue):
                self._queues[child] = deque((name, part) for name, part in queue if name not in heads)

    def clear(self) -> None:
        """Nothing of what waits is to go any more."""
        self._queues = {}

    def follow(self, receivers: Mapping[str, tuple[str, ...]], partitioned: Collection[str] = ()) -> None:
        """Who is live, by task, and of which tasks each item has one owner.

        What was sent to those who have gone is the head's to send again.
        """
        self._receivers = receivers
        self._partitioned = partitioned
        live = {name for found in receivers.values() for name in found}
        # One that was only cut off comes back, and takes a count that begins anew for frames it has seen.
        gone = {name: ledger for name, ledger in self._ledgers.items() if name not in live}
        for name in list(gone)[:-KEPT_LEDGERS]:
            del gone[name]
        self._ledgers = gone | {name: ledger for name, ledger in self._ledgers.items() if name in live}

    def grant(self, receiver: str, granted: Amount) -> None:
        ledger = self._ledgers.get(receiver)
        if ledger is not None:
            ledger.grant(*granted)

    def flush(self) -> list[SendFrame]:
        """Everything that may go now, in order per child."""
        frames: list[SendFrame] = []
        for child, queue in self._queues.items():
            receivers = self._receivers.get(child)
            if queue and receivers:
                for receiver, parts in self._share(child, queue, receivers):
                    frames += self._frames(child, receiver, parts)
        return frames

    def _share(
        self, child: str, queue: deque[tuple[str, Part]], receivers: tuple[str, ...]
    ) -> Iterator[tuple[str, list[tuple[str, Part]]]]:
        rooms = [Room(name, self._ledger(name), self._window) for name in receivers]
        if len(rooms) == 1 or child in self._partitioned:
            by_item(queue, rooms)
        else:
            self._turns[child] = by_credit(queue, rooms, self._turns.get(child, 0) % len(rooms))
        yield from ((room.receiver, room.parts) for room in rooms if room.parts)

    def _frames(self, child: str, receiver: str, parts: list[tuple[str, Part]]) -> Iterator[SendFrame]:
        ledger = self._ledger(receiver)
        start, size = 0, 0
        for index, (head, part) in enumerate(parts):
            own = len(part.payload or b"")
            if part.headers:
                own += sum(len(name) + len(value) for name, value in part.headers.items())
            size += own
            is_full = size > FRAME_BYTES or index - start >= self._frame_parts
            if index > start and (is_full or head != parts[start][0]):
                yield self._frame(child, receiver, ledger, parts[start:index])
                start, size = index, own
        yield self._frame(child, receiver, ledger, parts[start:])

    def _frame(self, child: str, receiver: str, ledger: SenderLedger, parts: list[tuple[str, Part]]) -> SendFrame:
        position = (ledger.sent_parts, ledger.sent_bytes)
        ledger.send(len(parts), sum(len(part.payload) for _, part in parts if part.payload is not None))
        frame = Frame(self._sender, ledger.frames, *position, self._source, parts[0][0], [part for _, part in parts])
        return SendFrame(child, receiver, frame)

    def _ledger(self, receiver: str) -> SenderLedger:
        ledger = self._ledgers.get(receiver)
        if ledger is None:
            ledger = self._ledgers[receiver] = SenderLedger(self._window)
        return ledger

    def probes(self) -> list[SendFrame]:
        """Empty frames (number 0) that tell a receiver our position: it answers with its grant."""
        frames = []
        for child, queue in self._queues.items():
            if not queue:
                continue
            for receiver in self._receivers.get(child, ()):
                ledger = self._ledger(receiver)
                if ledger.available <= 0:
                    position = (ledger.sent_parts, ledger.sent_bytes)
                    empty = Frame(self._sender, 0, *position, self._source, queue[0][0], [])
                    frames.append(SendFrame(child, receiver, empty))
        return frames

    def held(self) -> Iterator[Held]:
        """What waits here."""
        for queue in self._queues.values():
            for head, part in queue:
                yield head, part.root, part.attempt
