"""Inputs whose payload is in the object store, or has to go there: from a delivery to a reference."""

from __future__ import annotations

import io

from circe import travel
from circe.head import Input
from circe.object_names import (
    INPUTS_NOTE,
    STORES_NOTE,
    Place,
    Root,
    inputs_note,
    inputs_of,
    object_name,
    owner_token,
    places_of,
    stores_note,
)
from runtime import object_files, subjects
from runtime.bus import Bus
from runtime.network import HOME
from runtime.object_files import ObjectError, persist
from runtime.object_layout import ObjectInfo
from runtime.reference import Reference, is_name


async def referred(bus: Bus, app: str, item: Input, name: str | None) -> Input:
    """The input with a reference as its payload; `name` is of the object that it names, if it names one.

    Raises ObjectError when the object is not there.
    """
    if name is None:
        return item._replace(payload=await persist(lambda: _store(bus, app, item), f"storing input {item.sequence}"))
    found = await persist(lambda: claim(bus, app, name, item.sequence), f"claiming the object {name[:100]}")
    return item._replace(payload=found)


async def claim(bus: Bus, app: str, name: str, sequence: int) -> Reference:
    """Note on an object that an input names it, so that it stays for as long as that. Raises ObjectError."""

    def noted(info: ObjectInfo) -> ObjectInfo:
        inputs = inputs_of(info.metadata)
        return info if sequence in inputs else info.noting(INPUTS_NOTE, inputs_note(inputs | {sequence}))

    info = await object_files.note(bus, subjects.objects(app), name, noted) if is_name(name) else None
    if info is None or not info.sha256:
        bucket = subjects.objects(app)
        raise ObjectError(
            f"the input names the object {name[:100]}, which is not in the bucket {bucket}; put it there first"
        )
    return Reference(info.name, info.size_bytes, info.sha256)


async def note_message(bus: Bus, app: str, name: str, queue: str, sequence: int, subject: str) -> None:
    """Note on an object that an input or an item of a queue names it, so that it stays for as long as that."""
    if queue == HOME:
        await claim(bus, app, name, sequence)
        return
    place = Place(queue, subject)

    def noted(info: ObjectInfo) -> ObjectInfo:
        places = places_of(info.metadata)
        return info if place in places else info.noting(STORES_NOTE, stores_note([*places, place])[STORES_NOTE])

    await object_files.note(bus, subjects.objects(app), name, noted)


async def _store(bus: Bus, app: str, item: Input) -> Reference:
    assert isinstance(item.payload, bytes)
    root = Root(HOME, item.sequence)
    return await object_files.write(
        bus,
        subjects.objects(app),
        io.BytesIO(item.payload),
        lambda sha256: object_name(root, HOME, item.item_id, 0, sha256),
        owner=owner_token(root),
    )


def travels(item: Input, max_payload_bytes: int) -> bool:
    """Whether its payload fits into a frame."""
    return len(item.payload) <= travel.limit_bytes(max_payload_bytes)
