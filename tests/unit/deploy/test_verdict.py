"""The checker can fail: every way in which an input may go wrong is told as what it is, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.verdict import BREACHES, Failing, Left, Letter, Result, Shape, Verdict, agreed
from deploy.verify_book import Book
from runtime.graph import Task, TaskGraph

RUN = "abc123"
PLAIN = Shape({("fan", "1"): 11, ("fan", "2"): 22, ("first", ""): 33})
POISON = Shape({("first", ""): 33}, frozenset({("left", "")}))
FILTERED = Shape({})
SHAPES = [PLAIN, POISON, FILTERED]


class Inputs:
    """A book with one input of each shape, each of which ended as it should."""

    def __init__(self) -> None:
        self.book = Book("v1", RUN)
        self.sequence = 0
        self.held: frozenset[str] = frozenset()
        for key in range(len(SHAPES)):
            self.book.acknowledged(self.book.send(key, fault=7), key + 1)

    def result(self, number: int, task: str, suffix: str = "", digest: int = 0, root: int | None = None) -> None:
        self.sequence += 1
        item_id = f"{RUN}-~v1-{number}" + (f".{suffix}" if suffix else "")
        self.book.result(Result(self.sequence, task, item_id, number + 1 if root is None else root, digest))

    def letter(self, number: int, task: str, error: str = "ValueError: no", root: int | None = None) -> None:
        self.sequence += 1
        root = number + 1 if root is None else root
        self.book.letter(Letter(self.sequence, task, f"{RUN}-~v1-{number}", root, error))

    def end_all(self, but: tuple[int, str] = (-1, "")) -> None:
        for number, shape in enumerate(SHAPES):
            for (task, suffix), digest in shape.results.items():
                if (number, task) != but:
                    self.result(number, task, suffix, digest or 0)
            for task, _ in shape.dead:
                if (number, task) != but:
                    self.letter(number, task)

    def judge(self, left: Left | None = None) -> Verdict:
        return self.book.judge(SHAPES, self.held, left or Left())


def breaches(verdict: Verdict) -> dict[str, int]:
    return {breach: verdict.total(breach) for breach in BREACHES if verdict.total(breach)}


def test_what_ends_as_it_should_is_clean() -> None:
    inputs = Inputs()
    inputs.end_all()
    verdict = inputs.judge()
    assert verdict.is_clean
    assert breaches(verdict) == {}
    row = verdict.rows[7]
    assert (row.sent, row.acknowledged, row.results, row.dead) == (3, 3, 4, 1)


def _again(inputs: Inputs) -> None:
    inputs.end_all()
    inputs.result(0, "first", digest=33)


def _heard_again(inputs: Inputs) -> None:
    inputs.end_all()
    for _ in range(2):
        inputs.book.heard("first", f"{RUN}-~v1-0")


def _letter_again(inputs: Inputs) -> None:
    inputs.end_all()
    inputs.letter(1, "left")


def _of_nobody(inputs: Inputs) -> None:
    inputs.end_all()
    inputs.result(99, "first")


def _where_it_should_not(inputs: Inputs) -> None:
    inputs.end_all()
    inputs.result(2, "first")


def _buried_instead(inputs: Inputs) -> None:
    inputs.end_all(but=(0, "first"))
    inputs.letter(0, "first")


def _buried_as_well(inputs: Inputs) -> None:
    inputs.end_all()
    inputs.letter(0, "first")


def _already_used_by_itself(inputs: Inputs) -> None:
    inputs.end_all()
    inputs.letter(0, "first", "id already used by another input")


def _other_value(inputs: Inputs) -> None:
    inputs.end_all(but=(0, "first"))
    inputs.result(0, "first", digest=99)


def _held(inputs: Inputs) -> None:
    inputs.end_all(but=(0, "fan"))
    inputs.held = frozenset({"v1-0"})


@pytest.mark.parametrize(
    ("go_wrong", "found"),
    [
        (lambda inputs: inputs.end_all(but=(0, "fan")), {"lost": 1}),
        (lambda inputs: inputs.end_all(but=(1, "left")), {"lost": 1}),
        (_again, {"doubled": 1}),
        (_heard_again, {"doubled": 1}),
        (_letter_again, {"doubled": 1}),
        (_of_nobody, {"invented": 1}),
        (_where_it_should_not, {"invented": 1}),
        (_buried_instead, {"invented": 1}),
        (_buried_as_well, {"ended_twice": 1}),
        (_already_used_by_itself, {"ended_twice": 1}),
        (_other_value, {"changed": 1}),
        (_held, {"stuck": 1}),
    ],
)
def test_each_breach_is_told_as_what_it_is(go_wrong: Callable[[Inputs], None], found: dict[str, int]) -> None:
    inputs = Inputs()
    go_wrong(inputs)
    verdict = inputs.judge()
    assert breaches(verdict) == found
    assert set(verdict.examples) == set(found)
    assert not verdict.is_clean


def test_an_input_stored_twice_because_its_answer_was_lost_is_no_breach() -> None:
    inputs = Inputs()
    inputs.end_all()
    inputs.book.acknowledged("v1-0", 50)
    for task in ("first", "fan"):
        inputs.letter(0, task, "id already used by another input", root=50)
    verdict = inputs.judge()
    assert verdict.is_clean
    assert verdict.rows[7].repeats == 2


def test_a_second_copy_that_is_refused_before_an_inner_queue_is_no_breach() -> None:
    inputs = Inputs()
    inputs.end_all()
    inputs.letter(0, "into-queue", "id already used by another input", root=50)
    verdict = inputs.judge()
    assert verdict.is_clean
    assert verdict.rows[7].repeats == 1


def test_what_is_refused_as_a_second_copy_and_has_no_first_is_lost() -> None:
    inputs = Inputs()
    inputs.end_all(but=(0, "fan"))
    inputs.letter(0, "into-queue", "id already used by another input", root=50)
    assert breaches(inputs.judge()) == {"lost": 1}


def test_what_was_delivered_again_is_the_same_and_not_a_second_one() -> None:
    inputs = Inputs()
    inputs.end_all()
    inputs.book.result(Result(1, "fan", f"{RUN}-~v1-0.1", 1, 11))
    assert inputs.judge().is_clean


def test_an_input_that_nobody_acknowledged_may_be_missing_but_not_half() -> None:
    inputs = Inputs()
    inputs.end_all()
    inputs.book.send(0, fault=7)
    assert inputs.judge().is_clean


def test_what_is_left_somewhere_is_a_breach() -> None:
    inputs = Inputs()
    inputs.end_all()
    verdict = inputs.judge(Left(waiting=2, held=1))
    assert not verdict.is_clean
    assert str(verdict.left) == "2 in joins, 1 held"


def test_inputs_of_the_learning_are_not_judged() -> None:
    inputs = Inputs()
    assert inputs.book.judge(SHAPES, frozenset(), Left(), since=3).is_clean


def test_a_shape_is_what_two_trials_agree_on() -> None:
    assert agreed(PLAIN, PLAIN) == PLAIN
    assert agreed(PLAIN, POISON) is None
    varying = agreed(Shape({("a", ""): 1}), Shape({("a", ""): 2}))
    assert varying == Shape({("a", ""): None})


@given(st.text(max_size=40))
def test_an_id_tells_its_input_and_any_other_id_tells_none(text: str) -> None:
    book = Book("v1", RUN)
    book.send(0, fault=1)
    assert book.number(f"{RUN}-~v1-0.{text}") == 0
    assert book.number(f"{RUN}-~v1-1{text}") is None
    assert book.number(text) is None


def task(name: str, *children: str, join: str = "all") -> Task:
    return Task(name=name, script="s.py", children=children, join=join)


GRAPH = TaskGraph(
    {
        each.name: each
        for each in (
            task("left", "merge", "first"),
            task("right", "merge", "first"),
            task("merge", "fan"),
            task("fan", "home"),
            task("first", "home", join="any"),
        )
    },
    ("left", "right"),
)
FAILING = Failing(GRAPH, ("left", "right", "merge", "fan"))


def failing(inputs: Inputs) -> dict[str, int]:
    return breaches(inputs.book.judge(SHAPES, inputs.held, Left(), failing=FAILING))


def test_a_letter_of_a_task_that_may_fail_stands_for_all_that_comes_below() -> None:
    inputs = Inputs()
    inputs.end_all(but=(0, "fan"))
    inputs.letter(0, "merge")
    assert failing(inputs) == {}
    assert breaches(inputs.judge()) == {"invented": 1}  # where it may not


def test_a_letter_beside_part_of_what_it_stands_for_is_no_second_end() -> None:
    inputs = Inputs()
    inputs.end_all(but=(0, "fan"))
    inputs.result(0, "fan", "1", 11)
    inputs.letter(0, "left")
    assert failing(inputs) == {}


def test_a_letter_that_stands_for_nothing_is_a_second_end() -> None:
    inputs = Inputs()
    inputs.end_all()
    inputs.letter(0, "left")
    assert failing(inputs) == {"ended_twice": 1}


def test_what_a_letter_does_not_stand_for_is_lost() -> None:
    inputs = Inputs()
    inputs.end_all(but=(0, "first"))
    inputs.letter(0, "merge")
    assert failing(inputs) == {"ended_twice": 1, "lost": 1}


def test_what_needs_one_of_two_is_missing_rightly_when_both_are_dead() -> None:
    inputs = Inputs()
    inputs.end_all(but=(0, "first"))
    inputs.book._results = {name: held for name, held in inputs.book._results.items() if not name.startswith("fan/")}
    inputs.letter(0, "left")
    inputs.letter(0, "right")
    assert failing(inputs) == {}


def test_what_another_copy_of_the_input_came_to_is_no_second_end() -> None:
    inputs = Inputs()
    inputs.end_all(but=(0, "fan"))
    inputs.letter(0, "merge")
    for suffix, digest in (("1", 11), ("2", 22)):
        inputs.result(0, "fan", suffix, digest, root=40)
    assert failing(inputs) == {}
    inputs.letter(0, "merge", root=40)  # where two copies failed there are two letters
    assert failing(inputs) == {}
    inputs.letter(0, "left", root=40)
    assert failing(inputs) == {"ended_twice": 1}
