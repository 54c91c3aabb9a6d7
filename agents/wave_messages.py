"""What agents say to one another when they place tasks among themselves (WAVE), and its form on the wire. Pure.

A message holds its sender's own statistics and what was decided so far; nobody passes on another's statistics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final, Literal

from runtime import codec
from runtime.typed import check_not_negative, read

ABLE: Final = "able"
WAITING: Final = "waiting"
UNABLE: Final = "unable"
WORKING: Final = "working"
DONE: Final = "done"
FAILED: Final = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What would the task cost on your node? Asked again until there is an answer that is final."""

    placement: str
    number: int
    """Of the choice within the placement; the answer repeats it."""
    app: str
    digest: str
    task: str
    promised: tuple[str, ...] = ()
    """The tasks that this mapping has given the asked node already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the asked node says of itself."""

    placement: str
    number: int
    state: Literal["able", "unable", "waiting"]
    """`able`, `unable`, or `waiting` for something to be measured, which is not final."""
    why: str = ""
    """When it is not able."""
    exec_s: float = 0.0
    busy_cores_ratio: float = 0.0
    memory_ratio: float = 0.0
    promised_s: float = 0.0
    reaches: tuple[str, ...] = ()
    """The nodes that it has a link to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """The task is yours: place its children, theirs in turn, and say when that is done.

    Sent again and again until it is: it is also what keeps the placement alive.
    """

    placement: str
    app: str
    digest: str
    task: str
    placed: Mapping[str, str] = field(default_factory=dict)
    """Task to node, this one included."""
    left_out: tuple[str, ...] = ()
    """Nodes that did not answer and need not be asked again."""


Decision = tuple[str, str, str]
"""A task, the node it was given to, and why, in the words of whoever placed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How a placement stands."""

    placement: str
    state: Literal["working", "done", "failed"]
    """`working`, `done` or `failed`."""
    decisions: tuple[Decision, ...] = ()
    left_out: tuple[str, ...] = ()
    why: str = ""
    """What is waited for, or what it failed for."""
    is_hopeless: bool = False
    """Failed for a reason that lies not in where the tasks before were placed."""


Message = Ask | Answer | Take | Told
KINDS: dict[str, type[Message]] = {"ask": Ask, "answer": Answer, "take": Take, "told": Told}
_NAMES = {cls: kind for kind, cls in KINDS.items()}


def encode(message: Message) -> bytes:
    """The message as it travels."""
    record = {each.name: getattr(message, each.name) for each in fields(message)}
    return codec.encode_record({"kind": _NAMES[type(message)], **record})


def decode(payload: bytes) -> Message:
    """A message from the bus; raises ValueError or KeyError on anything else."""
    record = codec.decode_record(payload)
    message = read(KINDS[str(record.pop("kind"))], record)
    if isinstance(message, Answer):
        shares = (message.busy_cores_ratio, message.memory_ratio)
        check_not_negative("an offer", message.exec_s, message.promised_s, *shares)
    return message
