"""Dead letters: items that failed for good, with their errors; listed, sent again, dropped.

What is sent again is the input that a dead item descends from, of the ingress or of the last queue that it came
through, because a join needs all that followed from it. It keeps its id, and only what descends from the dead items
comes out again (`circe.replay`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from circe.entering import note_message
from deploy.replaying import Again, plan
from runtime import object_files, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.errors import UsageError
from runtime.jetstream import of_stream
from runtime.message import StoredMessage
from runtime.network import HOME
from runtime.reference import Reference


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of the letters of an application."""

    sent: int
    """Inputs; several letters may descend from one."""
    kept: int
    """Letters whose input is not known: it was left out because of its size, or its head had gone."""


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


async def replay(bus: Bus, app: App, task: str | None = None) -> Replayed:
    """Let the inputs behind the letters enter again, each under its own id, and drop the letters."""
    stream, subject = subjects.dead_stream(app.name), subjects.dead(app.name, task or "*")
    planned = plan([letter(message) for message in await bus.read_stream(stream, subject)], app.graph)
    sent, kept = 0, planned.kept
    for again in planned.again:
        if isinstance(again.payload, Reference) and not await _is_there(bus, app.name, again.payload):
            kept += len(again.letters)
            continue
        # Named by its last letter, which is the last one to go: a replay that is interrupted and repeated
        # lets each input enter once.
        message_id = f"replay-{again.letters[-1]}-{again.item_id}"
        headers = {**again.headers, subjects.MESSAGE_ID_HEADER: message_id}
        await _enter(bus, app.name, again, headers)
        sent += 1
        for number in again.letters:
            await _drop(bus, stream, number)
    return Replayed(sent, kept)


async def _is_there(bus: Bus, app: str, reference: Reference) -> bool:
    info = await object_files.find(bus, subjects.objects(app), reference.name)
    return info is not None and info.sha256 == reference.sha256


async def _enter(bus: Bus, app: str, again: Again, headers: dict[str, str]) -> None:
    """Store the input; what it refers to is its own from now on, and no more the letters'."""
    subject = _entrance(app, again)
    if isinstance(again.payload, bytes):
        await bus.store_until(subject, again.payload, headers)
        return
    stored = await bus.store_until(subject, b"", headers | again.payload.headers())
    await note_message(bus, app, again.payload.name, again.queue, stored.sequence, subject)


def _entrance(app: str, again: Again) -> str:
    """Where its head reads it: what stands above a queue has been done."""
    return subjects.ingress(app, again.task) if again.queue == HOME else subjects.queue(app, again.queue, again.item_id)


async def _drop(bus: Bus, stream: str, sequence: int) -> None:
    await bus.api(of_stream("MSG.DELETE", stream), {"seq": sequence, "no_erase": True})


def letter(message: StoredMessage) -> dict[str, Any]:
    """A dead letter as plain values; `seq` is its input's sequence in the ingress."""
    try:
        found = json.loads(message.payload)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        found = {"error": "this dead letter is not one of ours", "task": message.subject.split(".")[3]}
    number = message.headers.get(subjects.INPUT_HEADER, "")
    return {**found, "seq": int(number) if number.isdigit() else None, "number": message.sequence}


def check_task(app_tasks: tuple[str, ...], task: str | None) -> None:
    """Raise one clear sentence when the application has no such task."""
    if task is not None and task not in app_tasks:
        raise UsageError(f"there is no task {task!r}; the tasks are {', '.join(app_tasks)}")
