"""What of one task's items is too big for messages: fetched into files before user code runs, put into the
application's objects after.

Everything is done off the event loop and piece by piece: beats, reports and other items go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from circe import travel
from circe.egress import store_subject
from circe.flow import Flow
from circe.job import Job
from circe.object_names import Place, Root, object_name, owner_token, stores_note
from circe.outputs import BranchError, Given, Output
from circe.replay import queue_of
from runtime import object_files, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.object_files import persist
from runtime.reference import Payload, Reference

logger = logging.getLogger(__name__)

READ_ONLY = 0o400


class TaskObjects:
    """Of one worker."""

    def __init__(self, bus: Bus, app: App, flow: Flow, scratch: Path) -> None:
        """`scratch`: where files may lie; made when it is needed."""
        self._bus = bus
        self._app = app.name
        self._bucket = subjects.objects(app.name)
        self._bound_bytes = app.limits.objects_bytes
        self._flow = flow
        self._task = flow.task.name
        self._scratch = scratch

    @property
    def limit_bytes(self) -> int:
        """What is larger does not fit into a message."""
        return travel.limit_bytes(self._bus.link.max_payload_bytes)

    async def fetch(self, job: Job) -> None:
        """Put files in place of the job's references, unless an earlier try did. Raises ObjectError or OSError."""
        if job.opened is not None:
            return
        if job.folder is None:
            job.folder = await asyncio.to_thread(self._new_folder)
        if not isinstance(job.inputs, dict):
            job.opened = await self._opened(job.inputs, job.folder / "input")
            return
        opened = {}
        for parent, payload in job.inputs.items():
            opened[parent] = await self._opened(payload, job.folder / parent)
        job.opened = opened

    def _new_folder(self) -> Path:
        self._scratch.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="item-", dir=self._scratch)).resolve()

    async def _opened(self, payload: Payload, path: Path) -> Given:
        if not isinstance(payload, Reference):
            return payload
        with await asyncio.to_thread(path.open, "wb") as file:
            await object_files.read(self._bus, self._bucket, payload, file)
        await asyncio.to_thread(path.chmod, READ_ONLY)
        return path

    async def put(self, job: Job, outputs: Sequence[Output[Given]]) -> list[Output[Payload]]:
        """The outputs as they can travel. Raises OSError, or ObjectError for what no store of this size could hold."""
        places = self._places(job, outputs)
        put: list[Output[Payload]] = []
        for number, output in enumerate(outputs):
            payload = await self._travelling(job, number, output.payload, places.get(number, []))
            put.append(Output(payload, output.to, output.returned))
        return put

    def _places(self, job: Job, outputs: Sequence[Output[Given]]) -> dict[int, list[Place]]:
        """Where outputs will lie, by their numbers."""
        found: dict[int, list[Place]] = {}
        numbered = [Output(number, output.to, output.returned) for number, output in enumerate(outputs)]
        with contextlib.suppress(BranchError):  # the flow will find the same, and the item is a dead letter
            for child, item_id, number in self._flow.stored_as(job, numbered):
                place = Place(child, store_subject(self._app, self._task, child, item_id))
                found.setdefault(number, []).append(place)
        return found

    async def _travelling(self, job: Job, number: int, given: Given, places: Sequence[Place]) -> Payload:
        if isinstance(given, Path):
            if not places and (passed := _passed_on(job, given)) is not None:
                return passed
            size_bytes = given.stat().st_size
            if size_bytes <= self.limit_bytes:
                return await asyncio.to_thread(given.read_bytes)
            with await asyncio.to_thread(given.open, "rb") as file:
                return await self._put(job, number, file, size_bytes, places)
        if len(given) <= self.limit_bytes:
            return given
        return await self._put(job, number, io.BytesIO(given), len(given), places)

    async def _put(
        self, job: Job, number: int, source: BinaryIO, size_bytes: int, places: Sequence[Place]
    ) -> Reference:
        if size_bytes > self._bound_bytes:
            raise object_files.ObjectError(
                f"an output has {size_bytes} bytes, more than all objects may have together ({self._bound_bytes}); "
                "raise limits.objects_bytes"
            )
        root = Root(queue_of(job.headers), job.root)

        async def attempt() -> Reference:
            await object_files.wait_for_room(self._bus, self._bucket, size_bytes, self._bound_bytes, self._say_full)
            return await object_files.write(
                self._bus,
                self._bucket,
                source,
                lambda sha256: object_name(root, self._task, job.item_id, number, sha256),
                owner=owner_token(root),
                metadata=stores_note(places),
            )

        return await persist(attempt, f"storing an output of {job.item_id}")

    def _say_full(self) -> None:
        logger.warning(
            "the objects of the application have reached their bound: waiting until some may go; if it stays like "
            "this, raise limits.objects_bytes, or read the results"
        )

    async def discard(self, job: Job) -> None:
        """The job's files are of no more use."""
        folders = [folder for folder in (job.folder, job.scratch) if folder is not None]
        job.folder = job.scratch = job.opened = None
        for folder in folders:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _passed_on(job: Job, given: Path) -> Reference | None:
    """The reference of an input that is given on as it came; a result has an object of its own, which stays with it."""
    if isinstance(job.inputs, Reference):
        return job.inputs if given == job.opened else None
    if isinstance(job.inputs, dict) and isinstance(job.opened, dict):
        for parent, payload in job.inputs.items():
            if isinstance(payload, Reference) and given == job.opened[parent]:
                return payload
    return None
