"""The head of a task's own queue (`edge: queued`), in a worker of that task: what the gateway is for the ingress."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import partial

from circe.admission import SHARE
from circe.head import Head, Input
from circe.reading import Queue, Reader
from circe.replay import OF_THE_MESSAGE
from circe.travel import header_fault
from runtime import frames, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.message import Delivery
from runtime.reference import from_headers


def queue_reader(
    bus: Bus, app: App, task: str, incarnation: str, on_ended: Callable[[Sequence[float]], None]
) -> Reader:
    """Reads the queue of `task` while the edge record names this incarnation."""
    head = Head(
        incarnation,
        partial(random.getrandbits, 64),
        task,
        max_items=app.limits.in_flight_items,
        max_bytes=app.limits.in_flight_bytes,
        max_object_bytes=int(SHARE * app.limits.objects_bytes),
    )
    return Reader(bus, app.name, head, queue_of(app.name, task), on_ended)


def queue_of(app: str, task: str) -> Queue:
    """The queue of a task, as its readers need it."""
    prefix = len(subjects.queue(app, task, ""))
    stream = subjects.queue_stream(app, task)
    return Queue(stream, subjects.queue_consumer(app), lambda delivery: read_item(delivery, task, prefix))


def read_item(delivery: Delivery, task: str, prefix: int) -> Input:
    """The item that a worker above has stored, under the id that it has there. Raises ValueError on what no worker of
    ours has stored: in a frame it would take others with it."""
    sequence, item_id = delivery.stream_sequence, delivery.subject[prefix:]
    headers = {name: value for name, value in delivery.headers.items() if not name.startswith(OF_THE_MESSAGE)}
    headers[subjects.QUEUE_HEADER] = f"{task} {sequence}"
    if fault := header_fault(headers) or ("" if frames.is_id(item_id) else f"{item_id[:80]!r} is no item's id"):
        raise ValueError(fault)
    payload = from_headers(delivery.headers) or delivery.payload
    return Input(sequence, item_id, payload, headers, None, delivery.reply, time.monotonic())
