"""Whether what became of the inputs is what should have: lost, doubled, invented, ended twice, changed, stuck. Pure.

What each payload leads to (its *shape*) is learnt before the faults; under faults every input must lead to exactly
that, once. `deploy.verify_book` collects what happened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

End = tuple[str, str]
"""Where an item ended: the task, and what its id has behind the input's (`.1` for a first output)."""

ALREADY_USED = "id already used"
"""An input that was stored twice because its acknowledgement was lost: its second copy ends so."""
EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Shape:
    """What one payload leads to."""

    results: Mapping[End, int | None]
    """The digest of each result, or None where it differs from time to time."""
    dead: frozenset[End] = frozenset()


class Result(NamedTuple):
    """One message of the egress."""

    sequence: int
    task: str
    item_id: str
    root: int
    """Sequence of its input in the ingress."""
    digest: int


class Letter(NamedTuple):
    """One dead letter."""

    sequence: int
    task: str
    item_id: str
    root: int
    error: str


@dataclass(frozen=True, slots=True)
class Left:
    """What is still somewhere when everything should have ended."""

    ingress: int = 0
    queued: int = 0
    """Items in inner queues."""
    in_flight: int = 0
    waiting: int = 0
    """Parts in joins."""
    held: int = 0
    """Parts that wait for a machine or for credit."""
    unread: int = 0
    """Results that were not read."""

    def __str__(self) -> str:
        names = {"ingress": "in the ingress", "queued": "in inner queues", "in_flight": "in flight"}
        names |= {"waiting": "in joins", "held": "held", "unread": "results unread"}
        return ", ".join(f"{getattr(self, name)} {words}" for name, words in names.items() if getattr(self, name))


BREACHES = ("lost", "doubled", "invented", "ended_twice", "changed", "stuck")


@dataclass(slots=True)
class Row:
    """The inputs that were sent around one fault."""

    sent: int = 0
    acknowledged: int = 0
    results: int = 0
    dead: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """Of each breach."""
    repeats: int = 0
    """Inputs stored twice whose second copy was refused: as it should be."""


@dataclass(slots=True)
class Verdict:
    """The table."""

    rows: dict[int, Row]
    """By fault."""
    foreign: list[str]
    """Ends under ids that nobody sent."""
    left: Left
    examples: dict[str, list[str]]
    """Of each breach, a few in words."""

    def total(self, breach: str) -> int:
        own = len(self.foreign) if breach == "invented" else 0
        return own + sum(row.counts[breach] for row in self.rows.values())

    @property
    def is_clean(self) -> bool:
        return not any(self.total(breach) for breach in BREACHES) and self.left == Left()


@dataclass(slots=True)
class Ends:
    """Where one input ended, by all that was read."""

    results: dict[End, tuple[int, int]] = field(default_factory=dict)
    """Digest, and the sequence of its input."""
    dead: dict[End, str] = field(default_factory=dict)
    doubled: list[str] = field(default_factory=list)
    repeats: int = 0

    def add_letters(self, end: End, letters: Sequence[Letter]) -> None:
        """After the results: a letter may say that they were there before, in the egress or in a queue on the way.

        Where they were not, and it was refused all the same, they are missing.
        """
        roots = {root for (task, _), (_, root) in self.results.items() if task == end[0]}
        for letter in letters:
            if letter.error.startswith(ALREADY_USED) and letter.root not in roots:
                self.repeats += 1
            elif end in self.dead:
                self.doubled.append(f"dead letter {letter.task}/{letter.item_id}")
            else:
                self.dead[end] = letter.error


def breaches(found: Ends, shape: Shape, is_taken: bool, is_held: bool) -> Iterator[tuple[str, str]]:
    """What is wrong with one input, each with words."""
    missing = sorted((shape.results.keys() | shape.dead) - (found.results.keys() | found.dead.keys()))
    wrong = sorted(found.results.keys() - shape.results.keys())
    buried = sorted(found.dead.keys() - shape.dead)
    for name in found.doubled:
        yield "doubled", name
    both = sorted(found.results.keys() & found.dead.keys())
    if both:
        yield "ended_twice", f"a result and a dead letter at {_places(both)}: {found.dead[both[0]]}"
    elif wrong or buried:
        what = f"dead letter: {found.dead[buried[0]]}" if buried else "result"
        yield "invented", f"ended at {_places(wrong + buried)}, where it should not ({what})"
    if is_held:
        yield "stuck", "the ingress holds it still"
    elif missing and is_taken and not buried:
        yield "lost", f"nothing came at {_places(missing)}"
    for end, (digest, _) in sorted(found.results.items()):
        wanted = shape.results.get(end)
        if wanted is not None and wanted != digest:
            yield "changed", f"another value at {_places([end])}"


def _places(ends: Sequence[End]) -> str:
    return ", ".join(f"{task} .{rest}" if rest else task for task, rest in ends)


def agreed(first: Shape, second: Shape) -> Shape | None:
    """The shape that two trials of one payload agree on; None when they end at different places."""
    if first.results.keys() != second.results.keys() or first.dead != second.dead:
        return None
    results = {end: digest if second.results[end] == digest else None for end, digest in first.results.items()}
    return Shape(results, first.dead)
