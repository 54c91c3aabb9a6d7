"""The input behind a dead letter: workers ask the head, which has it for as long as the root is in flight.

Inside the graph a letter's own input is not what entered, so that without it the item could not enter again.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from circe.letters import Origin
from runtime import subjects
from runtime.bus import Bus
from runtime.bus_errors import BusFault
from runtime.message import Message, inbox_of
from runtime.reference import Reference, from_headers

ANSWER_S = 2.0
HEADER_ROOM_BYTES = 1024
ROOT_HEADER = "Jupiter-Root"


async def ask(bus: Bus, app: str, head: str, root: int) -> Origin | None:
    """What the head says of a root; None when it has ended there, or the head does not answer."""
    try:
        answer = await bus.request(subjects.origin(app, head), str(root).encode(), ANSWER_S)
        item_id, task, headers, queue = json.loads(answer.headers[ROOT_HEADER])
        return Origin(item_id, task, headers, from_headers(answer.headers) or answer.payload, queue)
    except (BusFault, KeyError, ValueError, TypeError):
        return None


def answer(bus: Bus, message: Message, find: Callable[[int], Origin | None]) -> None:
    """Answer a worker; raises ValueError on what is no question."""
    number = int(message.payload)
    inbox = inbox_of(message)
    found = find(number)
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
    bus.publish(inbox, payload, headers)
