"""One call of user code and what hangs on it: what a `Flow` hands out, and takes back when it is done. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from circe.outputs import Addressed, Given
from runtime.item import is_again
from runtime.network import HOME
from runtime.reference import Payload


@dataclass(slots=True, eq=False)
class Job:
    """One call of user code and what hangs on it."""

    head: str
    root: int
    attempt: int
    item_id: str
    xor: int
    inputs: Payload | dict[str, Payload]
    """The payload, or the payloads by parent where parts met."""
    headers: Mapping[str, str] | None
    sender: str | None
    """Whose credit it holds; None for what comes out of a join."""
    result_bytes: int = 0
    """Of what it gave to queues, until all of that is answered for."""
    unstored: int = 0
    """Results that their queue has yet to answer for; the job is reported after the last."""
    refusal: str = ""
    """Why a queue will not have one of them: the job is a dead letter once all are answered for."""
    is_sent: bool = False
    """Its children have their answers."""
    is_over: bool = False
    """Its input has ended, or may have under another head: its results must not be stored, for those of a later
    attempt may have been read and be gone."""
    is_late: bool = False
    """A newer attempt of its root is under way."""
    opened: Given | dict[str, Given] | None = None
    """The inputs with files in place of references, once they were fetched."""
    folder: Path | None = None
    """Where these files lie."""
    scratch: Path | None = None
    """Where files that user code gave lie, until they were taken."""

    @property
    def is_moot(self) -> bool:
        """Whether what it gave and no queue has taken yet may be forgotten: another attempt gives it, or has."""
        return self.is_over or self.is_late

    @property
    def has_rivals(self) -> bool:
        """Whether another attempt may have come to something, or may yet."""
        return self.is_late or is_again(self.attempt)


class Result(NamedTuple):
    """An output for the egress or for a child's queue: the shell stores it, then calls `stored`."""

    job: Job
    item_id: str
    payload: Payload
    child: str = HOME
    """`home`, or the child with a queue of its own."""
    of: int = 1
    """How many the child gets for this item; where a route chooses among the children, how many they get together."""


def numbered(results: list[Result], given: Sequence[Addressed[Payload]], *, is_choice: bool) -> list[Result]:
    """Each with how many there are (`Result.of`)."""
    numbers = Counter(each.child for each in given if each.payload is not None)
    return [result._replace(of=numbers.total() if is_choice else numbers[result.child]) for result in results]
