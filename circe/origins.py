"""What a head knows of a root: workers ask it before they write a dead letter.

Inside the graph a letter's own input is not what entered, so that without the root's input the item could not enter
again; and no letter is due of an attempt that counts no more.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from circe.head import Head
from circe.letters import Origin
from runtime import subjects
from runtime.bus import Bus
from runtime.bus_errors import BusFault
from runtime.message import Message, inbox_of
from runtime.reference import Reference, from_headers

ANSWER_S = 2.0
HEADER_ROOM_BYTES = 1024
ROOT_HEADER = "Jupiter-Root"
ATTEMPT_HEADER = "Jupiter-Attempt"


class Known(NamedTuple):
    """What the head says of a root."""

    attempt: int | None
    """The one that counts; None when the root is not in flight there: it has ended, or is another head's."""
    origin: Origin | None
    """None also when it would not fit into a letter."""

    def is_newer_than(self, attempt: int) -> bool:
        """Whether that attempt counts no more."""
        return self.attempt is None or self.attempt > attempt


async def ask(bus: Bus, app: str, head: str, root: int) -> Known | None:
    """What the head says of a root; None when it does not answer."""
    try:
        answer = await bus.request(subjects.origin(app, head), str(root).encode(), ANSWER_S)
        attempt = answer.headers.get(ATTEMPT_HEADER, "")
        text = answer.headers.get(ROOT_HEADER)
        if text is None:
            return Known(int(attempt) if attempt else None, None)
        item_id, task, headers, queue = json.loads(text)
        origin = Origin(item_id, task, headers, from_headers(answer.headers) or answer.payload, queue)
        return Known(int(attempt), origin)
    except (BusFault, ValueError, TypeError):
        return None


def answer(bus: Bus, message: Message, head: Head) -> None:
    """Answer a worker; raises ValueError on what is no question."""
    number = int(message.payload)
    inbox = inbox_of(message)
    attempt, found = head.attempt(number), head.origin(number)
    said = {} if attempt is None else {ATTEMPT_HEADER: str(int(attempt))}
    headers: dict[str, str] = {}
    payload = b""
    if found is not None:
        headers[ROOT_HEADER] = json.dumps([found.item_id, found.task, dict(found.headers or {}), found.queue])
        if isinstance(found.payload, Reference):
            headers |= found.payload.headers()
        else:
            payload = found.payload
    size_bytes = len(payload) + sum(len(value) for value in headers.values()) + HEADER_ROOM_BYTES
    if size_bytes > bus.link.max_payload_bytes:
        headers, payload = {}, b""  # it would not fit into a letter either
    bus.publish(inbox, payload, said | headers)
