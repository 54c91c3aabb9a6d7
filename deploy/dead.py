"""Dead letters: items that failed for good, with their errors; listed, sent again, dropped."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from runtime import subjects
from runtime.bus import Bus
from runtime.errors import UsageError
from runtime.message import StoredMessage


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of the letters of an application."""

    sent: int
    kept: int
    """Letters whose item cannot enter again: it was not an input, or left out because of its size."""


async def first(bus: Bus, app: str, count: int) -> tuple[int, list[dict[str, Any]]]:
    """How many there are, and the first few without their tracebacks."""
    state = await bus.stream_state(subjects.dead_stream(app))
    if state is None or not state.messages:
        return 0, []
    page = await bus.read_page(subjects.dead_stream(app), subjects.dead(app), state.first_sequence, count)
    letters = [letter(message) for message in page]
    return state.messages, [{name: each[name] for name in each if name != "traceback"} for each in letters]


async def letters(bus: Bus, app: str, task: str | None = None) -> list[dict[str, Any]]:
    """All of them, of one task or of all."""
    stream, subject = subjects.dead_stream(app), subjects.dead(app, task or "*")
    return [letter(message) for message in await bus.read_stream(stream, subject)]


async def purge(bus: Bus, app: str, task: str | None = None) -> int:
    """Drop them; how many there were."""
    return await bus.purge(subjects.dead_stream(app), None if task is None else subjects.dead(app, task))


async def replay(bus: Bus, app: str, entries: tuple[str, ...], task: str | None = None) -> Replayed:
    """Send the inputs of entry tasks again, as new inputs, and drop their letters."""
    stream, subject = subjects.dead_stream(app), subjects.dead(app, task or "*")
    sent = kept = 0
    for message in await bus.read_stream(stream, subject):
        found = letter(message)
        payload = original(found.get("input"))
        if found.get("task") not in entries or payload is None:
            kept += 1
            continue
        # The id makes a replay that is interrupted and repeated send each input once.
        headers = {subjects.MESSAGE_ID_HEADER: f"replay-{message.sequence}-{found.get('id')}"}
        await bus.store_until(subjects.ingress(app, str(found["task"])), payload, headers)
        await _drop(bus, stream, message.sequence)
        sent += 1
    return Replayed(sent, kept)


async def _drop(bus: Bus, stream: str, sequence: int) -> None:
    await bus.api(f"STREAM.MSG.DELETE.{stream}", {"seq": sequence, "no_erase": True})


def letter(message: StoredMessage) -> dict[str, Any]:
    """A dead letter as plain values; `seq` is its input's sequence in the ingress."""
    try:
        found = json.loads(message.payload)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        found = {"error": "this dead letter is not one of ours", "task": message.subject.rpartition(".")[2]}
    number = message.headers.get(subjects.INPUT_HEADER, "")
    return {**found, "seq": int(number) if number.isdigit() else None, "number": message.sequence}


def original(kept: object) -> bytes | None:
    """The payload that a letter keeps; None when it keeps none that could be sent again."""
    if not isinstance(kept, dict):
        return None
    text, encoded = kept.get("text"), kept.get("base64")
    if isinstance(text, str) and set(kept) == {"text"}:
        return text.encode()
    if isinstance(encoded, str) and set(kept) == {"base64"}:
        try:
            return base64.b64decode(encoded, validate=True)
        except binascii.Error:
            return None
    return None


def check_task(app_tasks: tuple[str, ...], task: str | None) -> None:
    """Raise one clear sentence when the application has no such task."""
    if task is not None and task not in app_tasks:
        raise UsageError(f"there is no task {task!r}; the tasks are {', '.join(app_tasks)}")
