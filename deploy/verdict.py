"""Whether what became of the inputs is what should have: lost, doubled, invented, ended twice, changed, stuck. Pure.

What each payload leads to (its *shape*) is learnt before the faults; under faults every input must lead to exactly
that, once. `deploy.verify_book` collects what happened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from circe.course import Place, course
from runtime.graph import TaskGraph
from runtime.network import HOME

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
    """Ends of a second copy of an input that was stored twice, where the first has ended: as it should be."""


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
    dead_roots: dict[End, int] = field(default_factory=dict)
    """The sequence of the input of each dead letter."""
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
            elif end not in self.dead:
                self.dead[end], self.dead_roots[end] = letter.error, letter.root
            elif self.dead_roots[end] == letter.root:
                self.doubled.append(f"dead letter {letter.task}/{letter.item_id}")
            else:
                self.repeats += 1

    def beside(self, letter: End) -> set[End]:
        """Where else the same copy of the input ended, if it was stored twice."""
        root = self.dead_roots[letter]
        results = {end for end, (_, each) in self.results.items() if each == root}
        return results | {end for end, each in self.dead_roots.items() if each == root and end != letter}


def breaches(
    found: Ends, shape: Shape, is_taken: bool, is_held: bool, failing: Failing | None = None
) -> Iterator[tuple[str, str]]:
    """What is wrong with one input, each with words; `failing` tasks may end items as dead letters at any time."""
    wanted, there = shape.results.keys() | shape.dead, found.results.keys() | found.dead.keys()
    buried = sorted(found.dead.keys() - shape.dead)
    both = sorted(found.results.keys() & found.dead.keys())
    missing = sorted(wanted - there)
    if failing is not None:
        allowed = [end for end in buried if end[0] in failing.tasks]
        buried = [end for end in buried if end not in allowed]
        needless = [end for end in allowed if failing.is_needless(end, wanted, found)]
        both = sorted({*both, *needless} - ({*allowed} - {*needless}))
        missing = sorted(set(missing) - failing.may_cover(found.dead, missing))
    wrong = sorted(found.results.keys() - shape.results.keys())
    for name in found.doubled:
        yield "doubled", name
    if both:
        yield "ended_twice", f"a dead letter at {_places(both)}, and all that comes of it: {found.dead[both[0]]}"
    elif wrong or buried:
        what = f"dead letter: {found.dead[buried[0]]}" if buried else "result"
        yield "invented", f"ended at {_places(wrong + buried)}, where it should not ({what})"
    if is_held:
        yield "stuck", "the ingress holds it still"
    elif missing and is_taken and not buried:
        yield "lost", f"nothing came at {_places(missing)}"
    for end, (digest, _) in sorted(found.results.items()):
        usual = shape.results.get(end)
        if usual is not None and usual != digest:
            yield "changed", f"another value at {_places([end])}"


class Failing:
    """What the dead letters of tasks stand for whose user code fails at one time and not at another."""

    def __init__(self, graph: TaskGraph, tasks: Collection[str]) -> None:
        self.tasks = tasks
        self._graph = graph
        # Of the other parents of a join nobody knows here whether they dropped the item.
        joins = {name: replace(task, join="all") for name, task in graph.tasks.items() if graph.is_join(name)}
        self._needy = TaskGraph({**graph.tasks, **joins}, graph.entries)

    def is_needless(self, letter: End, wanted: Set[End], found: Ends) -> bool:
        """Whether nothing is missing of what it stands for: the item has ended twice."""
        there = found.beside(letter)
        covered = _below(self._graph, [letter], wanted)
        return bool(covered) and covered <= there

    def may_cover(self, letters: Iterable[End], ends: Iterable[End]) -> set[End]:
        """Those of the ends that may be missing because of these letters."""
        return _below(self._needy, letters, ends)


def _below(graph: TaskGraph, letters: Iterable[End], ends: Iterable[End]) -> set[End]:
    """Those of the ends that would not be without the items of these letters."""
    left = [Place(task, _full(rest)) for task, rest in letters if task in graph.tasks]
    found: set[Place] = set()
    while left:
        steps = course(graph, *left)
        found |= steps.keys()
        stores = [store for step in steps.values() for store in step.stores if store.child != HOME]
        left = [Place(store.child, store.item_id + store.appended) for store in stores]
    return {end for end in ends if any(_descends(end, place) for place in found)}


def _full(rest: str) -> str:
    return f"item.{rest}" if rest else "item"


def _descends(end: End, place: Place) -> bool:
    return end[0] == place.task and f"{_full(end[1])}.".startswith(f"{place.item_id}.")


def _places(ends: Sequence[End]) -> str:
    return ", ".join(f"{task} .{rest}" if rest else task for task, rest in ends)


def agreed(first: Shape, second: Shape) -> Shape | None:
    """The shape that two trials of one payload agree on; None when they end at different places."""
    if first.results.keys() != second.results.keys() or first.dead != second.dead:
        return None
    results = {end: digest if second.results[end] == digest else None for end, digest in first.results.items()}
    return Shape(results, first.dead)
