"""The shell around `circe.litter`: looks now and then at what objects an application has, and removes the litter.

All is read from the bus, so that nothing is forgotten when a gateway is killed. An object stays with the result, the
item of an inner queue or the dead letter that names it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

from circe.egress import store_stream
from circe.head import Head
from circe.litter import Litter, Thing
from circe.object_names import Place, Root, inputs_of, places_of, root_of_name, root_of_pieces
from runtime import object_files, subjects
from runtime.bus import Bus
from runtime.bus_errors import BusFault
from runtime.jetstream import bucket_stream, chunk_subject, meta_subject
from runtime.network import HOME
from runtime.object_layout import ObjectInfo
from runtime.reference import OBJECT_HEADER, from_record
from runtime.streams import StreamState

logger = logging.getLogger(__name__)

LOOK_S = 1.0


async def sweep_for_ever(bus: Bus, app: str, head: Head) -> None:
    """Until cancelled; only while it is our turn."""
    sweeper = Sweeper(bus, app, head)
    while True:
        await asyncio.sleep(LOOK_S)
        if head.live:
            try:
                await sweeper.look()
            except BusFault as error:
                logger.info("the objects of %s are not looked through yet: %s", app, error)


class Sweeper:
    """Of one application."""

    def __init__(self, bus: Bus, app: str, head: Head) -> None:
        self._bus = bus
        self._app = app
        self._head = head
        self._bucket = subjects.objects(app)
        self._litter = Litter()
        self._seen = (0, 0)
        self._things: list[Thing] = []
        self._found: dict[Place, int] = {}
        """Sequences of the messages that name objects."""
        self._letters: dict[str, set[int]] = {}
        """Sequences of the dead letters that name an object."""
        self._letters_read = 0

    async def look(self) -> None:
        """Remove what may go now."""
        state = await self._bus.stream_state(bucket_stream(self._bucket))
        if state is None or not state.messages:
            self._things, self._seen = [], (0, 0)
            return
        if self._seen != (state.last_sequence, state.messages):
            self._things = await self._list()
            self._seen = (state.last_sequence, state.messages)
        inputs = await self._bus.stream_state(subjects.ingress_stream(self._app))
        if inputs is None:
            return
        roots = {root for thing in self._things for root in thing.roots}
        ended = {root for root in sorted(roots) if await self._has_ended(root, inputs)}
        all_read = inputs.messages <= self._head.taken
        for thing in self._litter.observe(time.monotonic(), time.time(), self._things, ended, all_read=all_read):
            if not await self._is_named(thing):
                await object_files.remove(self._bus, self._bucket, thing.name, thing.nuid)

    async def _list(self) -> list[Thing]:
        described = await self._descriptions()
        known = {info.nuid for info in described}
        answer = await self._bus.api(
            f"STREAM.INFO.{bucket_stream(self._bucket)}", {"subjects_filter": chunk_subject(self._bucket, ">")}
        )
        nuids = sorted(subject.rsplit(".", 1)[-1] for subject in answer["state"].get("subjects") or {})
        unfinished = [await self._unfinished(nuid) for nuid in nuids if nuid not in known]
        return [_thing(info) for info in described] + unfinished

    async def _descriptions(self) -> list[ObjectInfo]:
        found = []
        sequence = 1
        stream, subject = bucket_stream(self._bucket), meta_subject(self._bucket, ">")
        while page := await self._bus.read_page(stream, subject, sequence):
            found += [info for info in map(object_files.read_stored, page) if info is not None]
            sequence = page[-1].sequence + 1
        return found

    async def _unfinished(self, nuid: str) -> Thing:
        root = root_of_pieces(nuid)
        if root is not None:
            return Thing(nuid, "", frozenset({root}), 0.0)
        last = await self._bus.last_message(bucket_stream(self._bucket), chunk_subject(self._bucket, nuid))
        return Thing(nuid, "", frozenset(), time.time() if last is None else last.timestamp_s)

    async def _has_ended(self, root: Root, inputs: StreamState) -> bool:
        if root.queue != HOME:
            consumer = subjects.queue_consumer(self._app)
            state = await self._bus.consumer_state(subjects.queue_stream(self._app, root.queue), consumer)
            return state is None or state.ack_floor_stream_sequence >= root.sequence
        if self._head.has(root.sequence):
            return False
        if root.sequence < inputs.first_sequence:
            return True
        return await self._bus.get_message(subjects.ingress_stream(self._app), root.sequence) is None

    async def _is_named(self, thing: Thing) -> bool:
        for place in thing.places:
            if await self._lies_at(place, thing.name):
                return True
        return bool(thing.name) and await self._is_in_a_letter(thing.name)

    async def _lies_at(self, place: Place, name: str) -> bool:
        """Whether there is a message that names the object. Once found, it is there until its stream goes past it."""
        stream = store_stream(self._app, place.child)
        sequence = self._found.get(place)
        if sequence is not None:
            state = await self._bus.stream_state(stream)
            if state is not None and sequence >= state.first_sequence:
                return True
            del self._found[place]
        held = await self._bus.last_message(stream, place.subject)
        if held is None or held.headers.get(OBJECT_HEADER) != name:
            return False
        self._found[place] = held.sequence
        return True

    async def _is_in_a_letter(self, name: str) -> bool:
        stream = subjects.dead_stream(self._app)
        while page := await self._bus.read_page(stream, subjects.dead(self._app), self._letters_read + 1):
            for letter in page:
                for each in _objects_of(letter.payload):
                    self._letters.setdefault(each, set()).add(letter.sequence)
            self._letters_read = page[-1].sequence
        for sequence in sorted(self._letters.get(name, ())):
            if await self._bus.get_message(stream, sequence) is not None:
                return True
            self._letters[name].discard(sequence)
        return False


def _thing(info: ObjectInfo) -> Thing:
    root = root_of_name(info.name)
    named = {Root(HOME, sequence) for sequence in inputs_of(info.metadata)} | ({root} if root is not None else set())
    return Thing(info.nuid, info.name, frozenset(named), info.written_s, places_of(info.metadata))


def _objects_of(letter: bytes) -> Iterator[str]:
    """Names of the objects that a dead letter mentions."""
    if b'"object"' in letter:
        try:
            yield from _named(json.loads(letter))
        except (ValueError, RecursionError):
            return


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        reference = from_record(value)
        if reference is not None:
            yield reference.name
            return
        for each in value.values():
            yield from _named(each)
