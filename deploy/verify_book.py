"""What was put in and what came out, told by the ids at both ends; `judge` makes the table of it. Pure.

An input is a number: its message id tells it to both ends, and what is kept of each is a few machine words, so that
a run of millions fits.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from deploy.verdict import EXAMPLES, End, Ends, Failing, Left, Letter, Result, Row, Shape, Verdict, breaches
from runtime import subjects

_ROOT_BITS = 48


class Book:
    """What was put in and what came out; `judge` at the end."""

    def __init__(self, stem: str, run: str) -> None:
        """`stem` begins every message id of ours; `run` is the ingress's own."""
        self.stem = stem
        self._prefix = f"{run}-~{subjects.escape_id(stem)}-"
        self._keys = array("L")
        self._faults = array("L")
        self._sequences = array("Q")
        self._results: dict[str, int] = {}
        self._digests: dict[str, int] = {}
        self._letters: dict[str, list[Letter]] = defaultdict(list)
        self._letter_numbers: set[int] = set()
        self._heard: set[str] = set()
        self._doubled: Counter[tuple[str, str]] = Counter()
        """By name, and who noticed."""

    # ---- what happens

    @property
    def sent_count(self) -> int:
        return len(self._keys)

    def send(self, key: int, fault: int) -> str:
        """A new input with this payload, around this fault; its message id."""
        self._keys.append(key)
        self._faults.append(fault)
        self._sequences.append(0)
        return f"{self.stem}-{len(self._keys) - 1}"

    def acknowledged(self, message_id: str, sequence: int) -> None:
        """The producer was told that the ingress has it."""
        self._sequences[int(message_id.rpartition("-")[2])] = sequence

    def result(self, result: Result) -> None:
        """A result was read; delivered again, it is the same."""
        name = f"{result.task}/{result.item_id}"
        packed = result.sequence << _ROOT_BITS | result.root
        held = self._results.setdefault(name, packed)
        self._digests[name] = result.digest
        if held >> _ROOT_BITS != result.sequence:
            self._doubled[name, "stored"] += 1

    def heard(self, task: str, item_id: str) -> None:
        """A plain subscriber of the egress got it; it may miss some, but must get none twice."""
        name = f"{task}/{item_id}"
        if name in self._heard:
            self._doubled[name, "heard"] += 1
        self._heard.add(name)

    def letter(self, letter: Letter) -> None:
        """A dead letter was read."""
        if letter.sequence not in self._letter_numbers:
            self._letter_numbers.add(letter.sequence)
            self._letters[f"{letter.task}/{letter.item_id}"].append(letter)

    def number(self, item_id: str) -> int | None:
        """The input that an id descends from; None when it is not ours."""
        if not item_id.startswith(self._prefix):
            return None
        text = item_id[len(self._prefix) :].partition(".")[0]
        return int(text) if text.isdigit() and int(text) < len(self._keys) else None

    def fault(self, number: int) -> int:
        """Around which fault an input was sent."""
        return self._faults[number]

    # ---- what it comes to

    def shapes(self, numbers: Iterable[int]) -> list[Shape]:
        """What these inputs led to: learnt while nothing was broken."""
        ends = self._ends()[0]
        return [_shape(ends[number]) for number in numbers]

    def _ends(self) -> tuple[dict[int, Ends], list[str]]:
        ends: dict[int, Ends] = defaultdict(Ends)
        foreign: list[str] = []
        for name, packed in self._results.items():
            number, end = self._split(name)
            if number is None:
                foreign.append(f"result {name}")
            else:
                ends[number].results[end] = (self._digests[name], packed & (1 << _ROOT_BITS) - 1)
        for name, letters in self._letters.items():
            number, end = self._split(name)
            if number is None:
                foreign.append(f"dead letter {name}: {letters[0].error}")
            else:
                ends[number].add_letters(end, letters)
        for (name, what), count in self._doubled.items():
            number, _ = self._split(name)
            if number is None:
                foreign.append(f"result {name}, {what} twice")
            else:
                ends[number].doubled += [f"{name} was {what} twice"] * count
        return ends, foreign

    def _split(self, name: str) -> tuple[int | None, End]:
        task, _, item_id = name.partition("/")
        return self.number(item_id), (task, item_id[len(self._prefix) :].partition(".")[2])

    def judge(
        self, shapes: Sequence[Shape], held: frozenset[str], left: Left, since: int = 0, failing: Failing | None = None
    ) -> Verdict:
        """Hold every input from number `since` on against its shape; `held` are message ids the ingress has still."""
        ends, foreign = self._ends()
        rows: dict[int, Row] = defaultdict(Row)
        verdict = Verdict(rows, foreign, left, {"invented": foreign[:EXAMPLES]} if foreign else {})
        nothing = Ends()
        for number in range(since, len(self._keys)):
            row, found = rows[self._faults[number]], ends.get(number, nothing)
            row.sent += 1
            row.acknowledged += self._sequences[number] > 0
            row.results += len(found.results)
            row.dead += len(found.dead)
            row.repeats += found.repeats
            message_id = f"{self.stem}-{number}"
            is_taken = self._sequences[number] > 0
            for breach, words in breaches(found, shapes[self._keys[number]], is_taken, message_id in held, failing):
                row.counts[breach] += 1
                examples = verdict.examples.setdefault(breach, [])
                if len(examples) < EXAMPLES:
                    examples.append(f"{message_id} (input {self._sequences[number]}): {words}")
        return verdict


def _shape(found: Ends) -> Shape:
    return Shape({end: digest for end, (digest, _) in found.results.items()}, frozenset(found.dead))
