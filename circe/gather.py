"""The head of a gather's queue, as a state machine: items in, groups of them out.

Each closed group is one root of the lineage, and its members are acknowledged to the queue when it has ended. Two
things stand in the journal before they count: that a group is closed, before it runs, and that it has ended, before
its first member is acknowledged. So a group has the same members and the same id after any crash, and what is read
again of an ended one is only acknowledged. The shell (`circe.gathering`) stores the journal and runs user code. Pure.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence

from circe.credit import WINDOW, Amount
from circe.grouping import Bounds, Formed, Grouping
from circe.groups import MOST_ITEMS, Group, State, group_id, headers_of_group, is_marked, marked, pack, unmarked
from circe.head import Acknowledge, Head, Input
from circe.letters import Origin
from circe.outbox import MAX_FRAME_PARTS, SendControl, SendFrame
from circe.progress import Progress
from runtime.graph import Gather
from runtime.reference import Reference


class GatherHead(Head):
    """The items of one gather that have not ended, and the groups they are in. Each group is an input of `Head`."""

    def __init__(
        self,
        incarnation: str,
        draw: Callable[[], int],
        queue: str,
        rule: Gather,
        *,
        sorts: bool,
        max_items: int,
        max_bytes: int,
        group_bytes: int,
        window: Amount = WINDOW,
        frame_parts: int = MAX_FRAME_PARTS,
    ) -> None:
        """`sorts`: user code says which group an item belongs to, or whether it is a group's last.

        `group_bytes` travel as one payload.
        """
        super().__init__(
            incarnation,
            draw,
            queue,
            max_items=max_items,
            max_bytes=max_bytes,
            window=window,
            frame_parts=frame_parts,
        )
        self._rule = rule
        self._sorts = sorts
        self._max_members = min(max_items, MOST_ITEMS)
        self._max_member_bytes = max_bytes
        # The other half is for groups in work: whichever half is full, it empties by itself.
        self._bounds = Bounds(self._max_members // 2, max_bytes // 2, group_bytes)
        self._forget()

    def _forget(self) -> None:
        self._is_recovered = False
        self._grouping = Grouping(self._rule, self._bounds, self.counts)
        self._source = ""
        self._progress = Progress()
        self._held: dict[int, Input] = {}
        self._unsorted: deque[Input] = deque()
        self._asked: set[int] = set()
        """Items of which user code has yet to say which group they are in."""
        self._again: list[Input] = []
        self._groups: dict[int, Group] = {}
        """Closed and not ended, by root."""
        self._awaited: dict[int, int] = {}
        """The root of each member that a group of the journal still waits for."""
        self._missing: Counter[int] = Counter()
        """How many that are, by root."""
        self._closing: list[Group] = []
        self._ending: list[int] = []
        self._keeping: tuple[list[Group], list[int]] | None = None
        self._members = self._member_bytes = 0
        """Of what is held; members of a group that is incomplete do not count, or it might never be complete."""
        self._sizes: dict[int, int] = {}
        """Bytes of each group that runs, by root."""

    # ---- the journal

    def recover(self, state: State, source: str, floor: int) -> State:
        """Begin where the last head ended; what to store first, so that the last one can store no more.

        `source` tells this queue from an earlier one under its name; up to `floor` everything is acknowledged to it.
        """
        if state.source != source:
            state = State(source)
        self._source = source
        for group in state.groups:
            there = tuple(sequence for sequence in group.sequences if sequence > floor)
            if there:
                self._groups[group.root] = group._replace(sequences=there)
                self._awaited |= dict.fromkeys(there, group.root)
        self._missing = Counter(self._awaited.values())
        still_open = (sequence for sequence in (*state.open, *self._awaited) if sequence > floor)
        self._progress = Progress(max(state.high, floor), still_open)
        return self._state()

    def recovered(self) -> None:
        """It is stored: reading may begin."""
        self._is_recovered = True

    @property
    def has_news(self) -> bool:
        """Whether the journal must be told something, and nothing is under way to it."""
        return self._keeping is None and bool(self._closing or self._ending)

    def to_keep(self) -> State | None:
        """What the journal must say next; then call `kept`. None without news."""
        if not self.has_news:
            return None
        self._keeping = self._closing, self._ending
        self._closing, self._ending = [], []
        return self._state()

    def kept(self) -> None:
        """The journal says so: groups that are closed may run, what has ended may be acknowledged."""
        if self._keeping is None:
            return
        (closed, ended), self._keeping = self._keeping, None
        for group in closed:
            self._run_group(group)
        self._again += [self._held.pop(sequence) for sequence in ended]

    def _state(self) -> State:
        in_groups = {sequence for group in self._groups.values() for sequence in group.sequences}
        open_ = self._progress.open(in_groups)
        return State(self._source, self._progress.high, open_, tuple(self._groups.values()))

    # ---- items

    @property
    def in_flight(self) -> int:
        return len(self._held)

    @property
    def room(self) -> int:
        """How many more items it takes now."""
        if not self._is_recovered or not self.live or self._member_bytes >= self._max_member_bytes:
            return 0
        return max(0, self._max_members - self._members)

    @property
    def due_s(self) -> float | None:
        """When the next group closes by time."""
        return self._grouping.due_s

    def take(self, item: Input) -> None:
        """An item was read. One that is held already only renews what acknowledges it."""
        sequence = item.sequence
        if not self._is_recovered:  # on its way when the queue became another head's, which gets it again
            return
        if sequence in self._held:
            self._held[sequence] = self._held[sequence]._replace(token=item.token)
            self.counts["delivered_again"] += 1
            return
        if self._progress.has_ended(sequence):
            self._again.append(item)
            self.counts["delivered_again"] += 1
            return
        self._progress.saw(sequence)
        if self._was_given(item):
            item = item._replace(again=True)
        self._held[sequence] = item
        self.counts["groups.items"] += 1
        root = self._awaited.pop(sequence, None)
        if root is not None:
            self._missing[root] -= 1
            if not self._missing[root]:
                self._complete(self._groups[root])
            return
        self._members += 1
        self._member_bytes += len(item.payload)
        if is_marked(item.headers, self.queue):
            self._close_as(item.item_id, (sequence,))
        elif self._sorts or isinstance(item.payload, Reference):
            self._unsorted.append(item)
        else:
            self._group(item, "", is_last=False, now_s=item.taken_s)

    @property
    def unsorted(self) -> int:
        """How many items wait for `to_sort`."""
        return len(self._unsorted)

    def let_go(self, sequence: int) -> None:
        """What stands there in the queue is no item."""
        if self._is_recovered:
            self._progress.saw(sequence)
            self._progress.end([sequence])

    def to_sort(self, limit: int) -> list[Input]:
        """Items whose group user code has to say; then `sort` or `dead` is called for each."""
        items = [self._unsorted.popleft() for _ in range(min(limit, len(self._unsorted)))]
        self._asked.update(item.sequence for item in items)
        return items

    def sort(self, sequence: int, key: str, *, is_last: bool, now_s: float) -> None:
        """The group of an item is known."""
        if sequence in self._asked:  # not when the queue was another head's meanwhile
            self._asked.discard(sequence)
            self._group(self._held[sequence], key, is_last=is_last, now_s=now_s)

    def _group(self, item: Input, key: str, *, is_last: bool, now_s: float) -> None:
        self._close(self._grouping.add(key, item.sequence, len(item.payload), is_last=is_last, now_s=now_s))

    def dead(self, sequence: int) -> None:
        """The item has no group: it is a stored dead letter."""
        if sequence in self._asked:
            self._asked.discard(sequence)
            self._members -= 1
            self._member_bytes -= len(self._held[sequence].payload)
            self._end([sequence])

    # ---- groups

    def _close(self, formed: Iterable[Formed]) -> None:
        for key, sequences in formed:
            self._close_as(group_id(self._held[min(sequences)].item_id, key), sequences)

    def _close_as(self, item_id: str, sequences: tuple[int, ...]) -> None:
        group = Group(min(sequences), item_id, sequences)
        self._groups[group.root] = group
        self._closing.append(group)

    def _complete(self, group: Group) -> None:
        """Run a group of the journal: all of its members are here again."""
        del self._missing[group.root]
        self._members += len(group.sequences)
        self._member_bytes += sum(len(self._held[sequence].payload) for sequence in group.sequences)
        self._run_group(group, again=True)

    def _run_group(self, group: Group, *, again: bool = False) -> None:
        members = [self._held[sequence] for sequence in group.sequences]
        self._sizes[group.root] = sum(len(member.payload) for member in members)
        first = self._held[min(group.sequences)]
        payload, headers = first.payload, unmarked(first.headers)
        if not is_marked(first.headers, self.queue):
            payload, headers = pack(_bytes(member) for member in members), headers_of_group(first.headers)
        for member in members:
            self._held[member.sequence] = member._replace(payload=b"")  # the lineage has it from here on
        self._admit(Input(group.root, group.item_id, payload, headers, None, "", members[0].taken_s, again))

    def _end(self, sequences: Sequence[int]) -> None:
        self._ending += sequences
        self._progress.end(sequences)

    # ---- what goes out

    def poll(self, now_s: float) -> list[SendFrame | SendControl | Acknowledge]:
        """Frames that may leave now, word to workers, and what may be acknowledged."""
        self._close(self._grouping.due(now_s))
        instructions: list[SendFrame | SendControl | Acknowledge] = []
        for instruction in super().poll(now_s):
            if isinstance(instruction, Acknowledge):
                for root in instruction.sequences:
                    self._group_ended(root)
            else:
                instructions.append(instruction)
        if self._again:
            instructions.append(_acknowledge(self._again, now_s))
            self._again = []
        return instructions

    def _group_ended(self, root: int) -> None:
        """All that it led to is stored."""
        group = self._groups.pop(root)
        self._members -= len(group.sequences)
        self._member_bytes -= self._sizes.pop(root)
        self._end(group.sequences)

    def surrender(self) -> list[str]:
        """Give up what is held, because the queue is another head's now; the tokens of what is to come again."""
        super().surrender()
        # What has ended and the journal does not have: the next head runs it again, and its results are known.
        self._ended.clear()
        self._inputs.clear()
        self._bytes = 0
        tokens = [item.token for item in self._held.values()]
        self._forget()
        return tokens

    def attempt(self, number: int) -> int | None:
        """Of a group; an item that has none yet is in its first."""
        if number in self._sizes:
            return super().attempt(number)
        return 1 if number in self._held else None

    def origin(self, number: int) -> Origin | None:
        """What is behind a dead letter: a group that runs, or an item that has none."""
        if number in self._sizes:
            found = super().origin(number)
            return found and found._replace(headers=marked(found.headers, self.queue))
        item = self._held.get(number)
        return item and Origin(item.item_id, item.task, item.headers, item.payload, self.queue)


def _bytes(item: Input) -> bytes:
    assert isinstance(item.payload, bytes)  # an object is in no group
    return item.payload


def _acknowledge(items: list[Input], now_s: float) -> Acknowledge:
    sequences = [item.sequence for item in items]
    return Acknowledge(sequences, [item.token for item in items], [now_s - item.taken_s for item in items])
