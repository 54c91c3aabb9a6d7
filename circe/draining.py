"""When an edit takes queues away: whether nothing is in them any more, and then they go."""

from __future__ import annotations

from collections.abc import Iterable

from runtime import subjects
from runtime.app import App
from runtime.bus import Bus


async def are_empty(bus: Bus, app: str, tasks: Iterable[str]) -> bool:
    """Whether no item is in the queues of these tasks, nor on its way from one of them to another."""
    # An item may go from a queue that is looked at later into one that has been looked at.
    first = await _held(bus, app, tasks)
    return first is not None and first == await _held(bus, app, tasks)


async def _held(bus: Bus, app: str, tasks: Iterable[str]) -> list[int] | None:
    """The last sequences of queues in which everything has ended; None when something has not."""
    lasts = []
    for task in tasks:
        stream = subjects.queue_stream(app, task)
        state = await bus.stream_state(stream)
        head = await bus.consumer_state(stream, subjects.queue_consumer(app))
        if state is not None and (head is None or head.num_pending or head.num_ack_pending):
            return None
        lasts.append(0 if state is None else state.last_sequence)
    return lasts


async def drop_queues(bus: Bus, app: App) -> None:
    """Those of an earlier version, which were empty when this one took over."""
    kept = {subjects.queue_stream(app.name, task) for task in app.graph.queues}
    for stream in await bus.stream_names(subjects.queue(app.name)):
        if stream not in kept:
            await bus.delete_stream(stream)
