"""Items of a gather on their way through user code that says which group they belong to."""

from __future__ import annotations

from dataclasses import dataclass

from circe.head import Input
from circe.job import Job
from runtime.item import attempt_above


@dataclass(slots=True, eq=False)
class Member(Job):
    """A job that asks for the item's group instead of processing it."""

    key: str = ""
    is_last: bool = False
    """Of its group."""


def member(item: Input, head: str) -> Member:
    """The job for an item that `head` has read."""
    return Member(
        head, item.sequence, attempt_above(0, again=item.again), item.item_id, 0, item.payload, item.headers, None
    )
