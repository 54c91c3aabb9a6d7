"""The dispatcher's decision: from what should run and who is alive, to desired workers and the edge record.

Level-triggered and pure: the same picture gives the same decision, whatever happened before.

A task moves make-before-break: the old worker stays in the edge record until its replacement is ready. New
code changes the graph as well, so it is switched for the whole application at once, when all of it is ready.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from runtime.app import App
from runtime.mapping import TaskMapping
from runtime.network import HOME
from runtime.records import READY, Beat, DesiredWorker, EdgeRecord


@dataclass(frozen=True, slots=True)
class Decision:
    """What one application needs now."""

    workers: tuple[DesiredWorker, ...] | None
    """What should run; None leaves what was wanted before."""
    edges: EdgeRecord
    message: str = ""
    """Why the mapping is not obeyed, or what is waited for; empty when all is in place."""


def mapping_fault(app: App, mapping: TaskMapping) -> str | None:
    """Why a mapping cannot be obeyed, in one sentence."""
    if mapping.digest and mapping.digest != app.digest:
        return "the mapping was made for another version of the application"
    missing = [task for task in app.graph.tasks if task not in mapping.assignment]
    if missing:
        return f"the mapping names no node for {', '.join(missing)}"
    for task, node in sorted(mapping.assignment.items()):
        wanted = app.graph.tasks[task].pin if task in app.graph.tasks else None
        if wanted is not None and wanted != node:
            return f"the mapping puts {task} on {node}, but it is pinned to {wanted}"
    return None


def desired_workers(app: App, mapping: TaskMapping, epoch: int) -> tuple[DesiredWorker, ...]:
    """One record per task, on its node, and one per source, on its host."""
    tasks = tuple(
        DesiredWorker(
            app=app.name,
            task=task.name,
            node=mapping.assignment[task.name],
            digest=app.digest,
            epoch=epoch,
            replicas=task.replicas,
        )
        for task in app.graph.tasks.values()
    )
    sources = tuple(
        DesiredWorker(app=app.name, task=source.name, node=source.host, digest=app.digest, epoch=epoch)
        for source in app.sources
    )
    return tasks + sources


def decide(
    app: App,
    mapping: TaskMapping | None,
    epoch: int,
    alive: Iterable[Beat],
    edges: EdgeRecord | None,
    *,
    run: str = "",
    is_drained: bool = False,
) -> Decision:
    """What should run for `app` now, and who should be sent to.

    `alive` are the beats of incarnations that are known to live; `edges` is the record in force; `run` is of the
    ingress that is there. `is_drained`: since `is_ready_to_drain` the inner queues were found empty.
    """
    beats = {beat.incarnation: beat for beat in alive if beat.app == app.name}
    current = edges or EdgeRecord(app=app.name, revision=0, run=run)
    if current.run != run:  # the queues that it tells of are gone
        current = EdgeRecord(app=app.name, revision=current.revision + 1, run=run)
    survivors = _survivors(current, beats)
    # Who read before it is known what tasks there are would have to refuse every input.
    heads = _heads(current, current.segments, survivors, beats) if current.digest else {}
    as_it_is = _next(current, heads=heads, workers=survivors)
    if mapping is None:
        return Decision(None, as_it_is, "waiting for a mapping")
    fault = mapping_fault(app, mapping)
    if fault is not None:
        return Decision(None, as_it_is, fault)
    wanted = desired_workers(app, mapping, epoch)
    ready = {worker.task: _ready(worker, beats, current) for worker in wanted if worker.task in app.graph.tasks}
    missing = [task for task, names in ready.items() if not names]
    message = f"waiting for {', '.join(missing)}" if missing else ""
    if current.digest not in ("", app.digest) and missing:
        # Other code, perhaps another graph: the old one goes on until all of the new one is there.
        return Decision(wanted, as_it_is, message)
    leaving = leaving_queues(app, current)
    if leaving and not is_drained:
        # What is in them must end where it is known what comes behind; nothing more enters meanwhile.
        inner = {queue: head for queue, head in as_it_is.heads.items() if queue != HOME}
        message = f"the new version has no queue for {', '.join(leaving)}: waiting until nothing is in the old one's"
        return Decision(wanted, _next(current, heads=inner, workers=survivors), message)
    if current.digest != app.digest:
        survivors = {}
    workers = {task: ready[task] or survivors.get(task, ()) for task in app.graph.tasks}
    decided = _next(
        current,
        heads=_heads(current, app.segments, workers, beats),
        segments=app.segments,
        workers=workers,
        partitioned=tuple(task for task in app.graph.tasks if app.graph.is_join(task)),
        digest=app.digest,
        epoch=epoch,
        entries=app.graph.entries,
        fed=app.fed,
    )
    return Decision(wanted, replace(decided, nodes=_nodes(decided, beats)), message)


def leaving_queues(app: App, current: EdgeRecord) -> list[str]:
    """The tasks whose queue is in force and that `app` has none for."""
    return [] if current.digest == app.digest else sorted(current.segments.keys() - app.segments.keys())


def is_ready_to_drain(app: str, alive: Iterable[Beat], current: EdgeRecord) -> bool:
    """Whether no gateway can end an input any more: whatever entered an inner queue is there to be seen."""
    gateways = [beat for beat in alive if beat.app == app and beat.task == HOME]
    return current.gateway is None and not any(
        beat.rates.get("in_flight", 1) or beat.rates.get("is_head", 1) for beat in gateways
    )


def _heads(
    current: EdgeRecord, queues: Iterable[str], workers: Mapping[str, tuple[str, ...]], beats: Mapping[str, Beat]
) -> dict[str, str]:
    """Of every queue the head in force while it is ready; then the first one that is."""
    gateways = tuple(sorted(name for name, beat in beats.items() if beat.task == HOME))
    heads = {}
    for queue in dict.fromkeys([HOME, *queues]):
        candidates = gateways if queue == HOME else workers.get(queue, ())
        ready = [name for name in candidates if name in beats and beats[name].state == READY]
        if ready:
            in_force = current.heads.get(queue)
            heads[queue] = in_force if in_force in ready else ready[0]
    return heads


def _ready(worker: DesiredWorker, beats: Mapping[str, Beat], current: EdgeRecord) -> tuple[str, ...]:
    """Who may be sent to for this task: those in force first, then by name, as many as are wanted."""
    found = [
        name
        for name, beat in beats.items()
        if (beat.task, beat.node, beat.digest, beat.state) == (worker.task, worker.node, worker.digest, READY)
    ]
    in_force = current.workers.get(worker.task, ())
    kept = [name for name in in_force if name in found]
    added = sorted(name for name in found if name not in in_force)
    return tuple((kept + added)[: worker.replicas])


def _survivors(current: EdgeRecord, beats: Mapping[str, Beat]) -> dict[str, tuple[str, ...]]:
    """What the record in force names and is still alive."""
    return {task: tuple(name for name in names if name in beats) for task, names in current.workers.items()}


def _nodes(edges: EdgeRecord, beats: Mapping[str, Beat]) -> dict[str, str]:
    names = edges.incarnations() | set(edges.heads.values())
    return {name: beats[name].node for name in sorted(names) if name in beats}


def _next(current: EdgeRecord, **changes: object) -> EdgeRecord:
    """The record in force with changes: one revision later where anything differs."""
    changed = replace(current, **changes)  # type: ignore[arg-type] # names are EdgeRecord's own
    return changed if changed == current else replace(changed, revision=current.revision + 1)
