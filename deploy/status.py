"""What a running Jupiter does, as plain values for `--json` and as rows for tables."""

from __future__ import annotations

import contextlib
import time
from dataclasses import asdict
from typing import Any

from circe.reconcile import mapping_fault
from deploy.troubles import troubles
from deploy.watch import FAILED, Picture, look, node_of
from runtime import codec, subjects
from runtime.app import App
from runtime.bus import Bus
from runtime.jetstream import bucket_stream
from runtime.network import HOME
from runtime.profiles import LinkRow, NodeProfile
from runtime.records import READY, Beat
from runtime.streams import StreamState

UNREADABLE = (ValueError, KeyError, TypeError)
"""Of a record: it is not one of ours."""


async def app_status(bus: Bus, app: App) -> dict[str, Any]:
    """One application: its state, its queues, its workers."""
    picture = await look(bus, app.name)
    ingress = await bus.stream_state(subjects.ingress_stream(app.name))
    waiting = await bus.consumer_state(subjects.ingress_stream(app.name), subjects.INGRESS_CONSUMER)
    egress = await bus.stream_state(subjects.egress_stream(app.name))
    unread = await bus.consumer_state(subjects.egress_stream(app.name), subjects.RESULTS_CONSUMER)
    letters = await bus.stream_state(subjects.dead_stream(app.name))
    objects = await bus.stream_state(bucket_stream(subjects.objects(app.name)))
    head = picture.head
    found = {
        "app": app.name,
        "digest": app.digest,
        "state": state(picture, app),
        "dispatcher": picture.dispatcher_message(),
        "algorithm": None if picture.mapping is None else picture.mapping.algorithm,
        "epoch": picture.epoch,
        "in_flight": 0 if head is None else int(head.rates.get("in_flight", 0)),
        "lag": 0 if waiting is None else waiting.num_pending,
        "ingress": _held(ingress, app.limits.ingress_bytes),
        "egress": _held(egress, app.limits.egress_bytes),
        "dead": _held(letters, app.limits.dead_bytes),
        "objects": _held(objects, app.limits.objects_bytes),
        "queues": {task: await _queue(bus, app, task, picture) for task in app.graph.queues},
        "results_unread": 0 if unread is None else unread.num_pending + unread.num_ack_pending,
        "dead_letters": 0 if letters is None else letters.messages,
        "resent": sum(picture.total(queue).get("resent", 0) for queue in app.segments),
        "rates": {} if head is None else dict(head.rates),
        "latencies_s": {} if head is None else dict(head.latencies_s),
        "workers": [_worker(picture, beat) for beat in _in_order(picture, app)],
        "failures": [
            {"task": beat.task, "node": beat.node, "message": beat.message}
            for (_, _), beat in sorted(picture.failures.items())
            if beat.digest == app.digest
        ],
    }
    return found | {"troubles": [trouble._asdict() for trouble in troubles(found)]}


def _held(stream: StreamState | None, max_bytes: int) -> dict[str, int]:
    """What a stream holds, of what it may."""
    messages, held_bytes = (0, 0) if stream is None else (stream.messages, stream.bytes)
    return {"messages": messages, "bytes": held_bytes, "max_bytes": max_bytes}


async def _queue(bus: Bus, app: App, task: str, picture: Picture) -> dict[str, Any]:
    """What an inner queue holds, and who reads it; what has ended stays for a while, so that it cannot come twice."""
    stream = subjects.queue_stream(app.name, task)
    held = await bus.stream_state(stream)
    head = await bus.consumer_state(stream, subjects.queue_consumer(app.name))
    return {
        **_held(held, app.limits.queue_bytes),
        "lag": 0 if head is None else head.num_pending,
        "in_flight": 0 if head is None else head.num_ack_pending,
        "head": None if picture.edges is None else picture.edges.heads.get(task),
    }


def state(picture: Picture, app: App) -> str:
    """In a few words: in place, or what is waited for."""
    if picture.mapping_fault:
        return f"not obeyed: {picture.mapping_fault}"
    if picture.mapping is None:
        return picture.mapper_message(app) or "waiting for a mapping"
    fault = mapping_fault(app, picture.mapping)
    if fault is not None:
        return picture.mapper_message(app) or f"not obeyed: {fault}"
    ready = picture.ready(app)
    missing = [_place(picture, task) for task in app.graph.tasks if task not in ready]
    if missing:
        return f"waiting for {', '.join(missing)}"
    moving = [_place(picture, task) for task in ready if picture.mapping.assignment[task] not in node_of(picture, task)]
    if moving:
        return f"moving {', '.join(moving)}"
    return "in place" if picture.is_in_place(app) else "waiting for the gateway"


def _place(picture: Picture, task: str) -> str:
    """A task and where it should be; said of a node that is not there."""
    node = picture.mapping.assignment[task] if picture.mapping is not None else ""
    profile = picture.nodes.get(node)
    is_there = profile is not None and not profile.gone
    return f"{task} on {node}" if is_there else f"{task} on {node}, which is not there"


def _in_order(picture: Picture, app: App) -> list[Beat]:
    """The gateway, then the workers as the graph goes."""
    places = {task: index for index, task in enumerate([HOME, *app.graph.order])}
    beats = [beat for beat in picture.beats.values() if beat.task not in subjects.DECIDERS]
    return sorted(beats, key=lambda beat: (places.get(beat.task, len(places)), beat.incarnation))


def _worker(picture: Picture, beat: Beat) -> dict[str, Any]:
    edges = picture.edges
    in_force = edges is not None and beat.incarnation in (edges.incarnations() | {edges.gateway})
    return {
        "task": beat.task,
        "node": beat.node,
        "incarnation": beat.incarnation,
        # Ready and not in force: about to be, or about to go.
        "state": "running" if in_force and beat.state == READY else beat.state,
        "counts": dict(beat.counts),
        "rates": dict(beat.rates),
        "latencies_s": dict(beat.latencies_s),
        "holds": len(beat.holds),
        "waits": len(beat.waits),
        "message": beat.message,
    }


async def nodes(bus: Bus) -> list[dict[str, Any]]:
    """Every node that has said what it is, with the age of that."""
    now_s = time.time()
    found = []
    for record in await bus.snapshot(subjects.PROFILE_STREAM, subjects.node_profile(None)):
        with contextlib.suppress(*UNREADABLE):
            profile = NodeProfile.from_record(codec.decode_record(record.payload or b""))
            found.append({**profile.to_record(), "age_s": round(max(0.0, now_s - record.timestamp_s), 3)})
    return sorted(found, key=lambda node: (node["node"] != HOME, node["node"]))


async def links(bus: Bus) -> list[dict[str, Any]]:
    """Every measured link, by source and target, with its age."""
    now_s = time.time()
    found = []
    for record in await bus.snapshot(subjects.PROFILE_STREAM, subjects.link_profile(None)):
        with contextlib.suppress(*UNREADABLE):
            row = LinkRow.from_record(codec.decode_record(record.payload or b""))
            age_s = round(max(0.0, now_s - record.timestamp_s), 3)
            for target, link in row.links.items():
                found.append({"source": row.source, "target": target, **asdict(link), "age_s": age_s})
    return sorted(
        found, key=lambda link: (link["source"] != HOME, link["source"], link["target"] != HOME, link["target"])
    )


async def mapping(bus: Bus, app: App) -> dict[str, Any]:
    """The mapping in force, what it foretells, and where everything really is."""
    picture = await look(bus, app.name)
    head = picture.head
    found = {} if picture.mapping is None else picture.mapping.to_record()
    return {
        "app": app.name,
        "epoch": picture.epoch,
        "state": state(picture, app),
        **found,
        "places": {task: node_of(picture, task) for task in app.graph.tasks},
        "measured": {
            # The gateway sees no further than to the next queue.
            "makespan_p50_s": None if head is None or app.graph.queues else head.latencies_s.get("p50"),
            "task_p50_s": {
                beat.task: beat.latencies_s["p50"]
                for beat in _in_order(picture, app)
                if "p50" in beat.latencies_s and beat.task != HOME
            },
        },
    }


async def executions(bus: Bus, app: App) -> list[dict[str, Any]]:
    """What every task was measured to take on every node, of the present code."""
    picture = await look(bus, app.name)
    found = [each.to_record() for each in picture.executions.values() if each.digest == app.digest]
    failed = [
        {"task": beat.task, "node": beat.node, "failure": beat.message}
        for beat in picture.failures.values()
        if beat.state == FAILED and beat.digest == app.digest
    ]
    order = {task: index for index, task in enumerate(app.graph.order)}
    return sorted(found + failed, key=lambda each: (order.get(each["task"], len(order)), each["node"]))
