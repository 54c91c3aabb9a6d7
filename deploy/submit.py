"""Applications onto the bus and off it: pack, put, wait until it is in place; delete, wait until nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deploy import progress
from deploy.sampling import with_samples
from deploy.watch import PROFILER, Picture, Watch
from runtime import bundle, codec, subjects
from runtime.app import App
from runtime.bundle import Bundle
from runtime.bus import Bus
from runtime.errors import JupiterError, UsageError
from runtime.jetstream import bucket_stream
from runtime.mapping import TaskMapping
from runtime.network import HOME
from runtime.refusals import refuse

OBJECTIVES = ("period", "makespan")
FAILURES_AT_MOST = 3
"""A task that cannot be set up so often is not going to be."""
POLL_S = 0.05
CANNOT_MAP = "cannot map: "
"""How the mapper begins when it has all it needs and there is no mapping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A validated application, ready to be sent."""

    app: App
    """With the digest of its bundle."""
    bundle: Bundle


def prepare(
    folder: Path, mapper: str | None = None, objective: str | None = None, source: str | None = None
) -> Prepared:
    """Validate and pack a folder; raises AppError or UsageError, and nothing was started.

    `source` is an input file that may stand in for missing samples.
    """
    from runtime.app_config import load_app  # its parsers are only needed where applications are read

    app = load_app(folder)
    if objective is not None:
        if objective not in OBJECTIVES:
            raise UsageError(f"there is no objective {objective!r}; the objectives are {', '.join(OBJECTIVES)}")
        app = replace(app, objective=objective)
    if mapper is not None:
        app = replace(app, mapper=_known_mapper(mapper))
    with with_samples(folder, app, source) as packable:
        packed = bundle.pack(packable, app)
    return Prepared(app=app.with_digest(packed.digest), bundle=packed)


def _known_mapper(name: str) -> str:
    from mapper import registry  # numpy, for those who choose a mapper

    registry.find(name)
    return name


def read_mapping(path: Path, app: App, nodes: Collection[str] | None = None) -> TaskMapping:
    """A ready-made mapping from a file, checked against the application and, where known, the nodes."""
    try:
        mapping = TaskMapping.from_record(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"the mapping file {path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f'{path} is no mapping ({error}); write an object such as {{"task": "node1"}}') from error
    missing = [task for task in app.graph.tasks if task not in mapping.assignment]
    if missing:
        raise UsageError(f"{path} names no node for {', '.join(missing)}; every task needs one")
    unknown = [task for task in mapping.assignment if task not in app.graph.tasks and task != HOME]
    if unknown:
        raise UsageError(f"{path} maps {', '.join(unknown)}, but {app.name} has no such task to map; take it out")
    for task in app.graph.tasks.values():
        node = mapping.assignment[task.name]
        if nodes is not None and node not in nodes:
            raise UsageError(f"{path} puts {task.name} on {node}, but the nodes are {', '.join(nodes)}")
        if task.pin not in (None, node):
            raise UsageError(f"{path} puts {task.name} on {node}, but it is pinned to {task.pin}")
    # Ready-made, whoever computed it once: its digest and epoch belong to another run.
    return TaskMapping(assignment={task: mapping.assignment[task] for task in app.graph.tasks})


async def put(bus: Bus, prepared: Prepared, mapping: TaskMapping | None = None) -> None:
    """Send the application; what runs under its name is replaced when the new code is ready."""
    app = prepared.app
    await bus.put_object(subjects.BUNDLES, app.digest, prepared.bundle.payload)
    await bus.put_record(subjects.app(app.name), codec.encode_record(app.to_record()))
    # After the application: a mapping of none would be cleared away.
    if mapping is not None:
        await bus.put_record(subjects.mapping(app.name), codec.encode_record(mapping.to_record()))


async def submit_app(
    bus: Bus, prepared: Prepared, mapping: TaskMapping | None, timeout_s: float | None
) -> dict[str, Any]:
    """Put it and wait until it is in place (not at all when there is no time-out); what became of it."""
    app = prepared.app
    before = (await find_apps(bus)).get(app.name)
    await put(bus, prepared, mapping)
    if timeout_s is None:
        return {"app": app.name, "digest": app.digest, "state": "submitted"}
    async with Watch(bus, app.name) as watch:
        try:
            async with asyncio.timeout(timeout_s):
                await wait_in_place(watch, app)
        except TimeoutError:
            nodes = len(watch.picture.nodes)
            _, text = progress.preparing(watch.picture, app, nodes, measures=mapping is None)
            text = f"{app.name} is not in place after {timeout_s:g} s: {text}"
            raise JupiterError(f"{text}; {await _undo(bus, app, before)}") from None
        except JupiterError as error:
            raise JupiterError(f"{error}; {await _undo(bus, app, before)}") from error
        found = watch.picture.mapping
    if before is not None:
        await forget_bundle(bus, before.digest)
    places = {} if found is None else dict(found.assignment)
    return {"app": app.name, "digest": app.digest, "state": "in place", "mapping": places}


async def _undo(bus: Bus, app: App, before: App | None) -> str:
    """After a failure: nothing stays of an application that was not there before; in a few words."""
    if before is not None and before.digest != app.digest:
        return "until this version can run the one before goes on, which takes its place again when it is submitted"
    if before is not None:
        return f"it stays submitted; jupiter delete {app.name} takes it away"
    await bus.delete_record(subjects.CONTROL_STREAM, subjects.app(app.name))
    await forget_bundle(bus, app.digest)
    return "it is taken away again"


async def wait_in_place(watch: Watch, app: App) -> None:
    """Wait until items flow through this version; raises JupiterError when a task of it cannot start."""

    def is_so(picture: Picture) -> bool:
        fault = hopeless(picture, app)
        if fault:
            raise JupiterError(fault)
        return picture.is_in_place(app)

    await watch.until(is_so)


def hopeless(picture: Picture, app: App) -> str:
    """Why the application will never be in place as it is, or empty."""
    failures = [beat for beat in picture.failures.values() if beat.digest == app.digest]
    ready = picture.ready(app)
    for task in app.graph.tasks:
        found = [beat for beat in failures if beat.task == task and not beat.incarnation.startswith(PROFILER)]
        if task not in ready and len(found) >= FAILURES_AT_MOST:
            return f"task {task} cannot start on {found[-1].node}: {found[-1].message}"
    message = picture.mapper_message(app)
    if not message.startswith(CANNOT_MAP):
        return ""
    return f"application {app.name} cannot be mapped: {_unmeasured(picture, app) or message[len(CANNOT_MAP) :]}"


def _unmeasured(picture: Picture, app: App) -> str:
    """Why the first task that has no times anywhere has none, in the words of one node."""
    measured = {task for (task, _), found in picture.executions.items() if found.digest == app.digest}
    reasons = {
        beat.task: f"task {beat.task} on {beat.node}: {beat.message}"
        for _, beat in sorted(picture.failures.items(), reverse=True)
        if beat.digest == app.digest
    }
    return next((reasons[task] for task in app.graph.order if task not in measured and task in reasons), "")


async def find_app(bus: Bus, name: str) -> App:
    """The application that runs under a name; raises UsageError when there is none."""
    if found := await _app_called(bus, name):
        return found
    apps = await find_apps(bus)
    if name not in apps:
        known = f"the applications here are {', '.join(apps)}" if apps else "there is none here: submit one"
        raise UsageError(f"there is no application {name!r}; {known}")
    return apps[name]


async def _app_called(bus: Bus, name: str) -> App | None:
    """The application's own record and no other: more a client of it may not read."""
    if not subjects.NAME.fullmatch(name):
        return None
    record = await bus.last_message(subjects.CONTROL_STREAM, subjects.app(name))
    if record is None or not record.payload:
        return None
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return App.from_record(codec.decode_record(record.payload))
    return None


async def find_apps(bus: Bus) -> dict[str, App]:
    """Every application that should run, by name."""
    apps: dict[str, App] = {}
    if await bus.stream_state(subjects.CONTROL_STREAM) is None:
        return apps
    for record in await bus.snapshot(subjects.CONTROL_STREAM, subjects.app("*")):
        try:
            app = App.from_record(codec.decode_record(record.payload or b""))
        except (ValueError, KeyError, TypeError) as error:
            refuse(f"the record {record.subject}", error)
        else:
            apps[app.name] = app
    return dict(sorted(apps.items()))


async def delete(bus: Bus, name: str, timeout_s: float) -> None:
    """Take the application away and wait until nothing of it is left on the bus."""
    app = await find_app(bus, name)
    await bus.delete_record(subjects.CONTROL_STREAM, subjects.app(name))
    try:
        async with asyncio.timeout(timeout_s):
            while left := await leftovers(bus, name):  # noqa: ASYNC110 - others clear away; no event says "done"
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise JupiterError(
            f"{name} is deleted, but after {timeout_s:g} s there is still {left[0]}"
            f"{f' and {len(left) - 1} more' if left[1:] else ''}; is the dispatcher running?"
        ) from None
    await forget_bundle(bus, app.digest)


async def forget_bundle(bus: Bus, digest: str) -> None:
    """Drop a bundle that no application uses any more."""
    if all(app.digest != digest for app in (await find_apps(bus)).values()):
        await bus.delete_object(subjects.BUNDLES, digest)


async def leftovers(bus: Bus, name: str) -> list[str]:
    """Streams and records of an application that are still there."""
    streams = await bus.stream_names(subjects.everything(name))
    objects = bucket_stream(subjects.objects(name))
    streams += [objects] if await bus.stream_state(objects) is not None else []
    control, profile = subjects.CONTROL_STREAM, subjects.PROFILE_STREAM
    records = [
        *await bus.snapshot(control, subjects.edges(name)),
        *await bus.snapshot(control, subjects.mapping(name)),
        *await bus.snapshot(control, subjects.worker(None, name, "*")),
        *await bus.snapshot(profile, subjects.execution_profile(name, "*", None)),
    ]
    return streams + [record.subject for record in records]
