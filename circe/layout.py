"""The streams of the system and of each application, as they must be: made by the dispatcher, read by all."""

from __future__ import annotations

from collections.abc import Iterator

from runtime import subjects
from runtime.app import App
from runtime.jetstream import bucket_stream, chunk_subject, meta_subject
from runtime.streams import ConsumerSpec, StreamSpec

ACK_WAIT_S = 3600.0
"""The gateway says what is to come again (it resets the consumer when it starts), so the server need not guess."""
QUEUE_ACK_WAIT_S = 60.0
"""Shorter: a worker may be stopped with deliveries on their way to it, and what comes again too early is known."""
LETTER_WINDOW_S = 3600.0
"""For so long the same failure is the same letter: an outage may lie between the letter and the report of it."""
STATUS_LIFETIME_S = 15.0
PROFILE_LIFETIME_S = 900.0
RUN_KEY = "jupiter-run"


def system_streams() -> tuple[StreamSpec, ...]:
    """Control records, profiles and beats: the last value of every subject."""
    return (
        StreamSpec(name=subjects.CONTROL_STREAM, subjects=subjects.CONTROL_SUBJECTS, max_per_subject=1, discard="old"),
        StreamSpec(
            name=subjects.PROFILE_STREAM,
            subjects=subjects.PROFILE_SUBJECTS,
            max_per_subject=1,
            max_age_s=PROFILE_LIFETIME_S,
            discard="old",
        ),
        StreamSpec(
            name=subjects.STATUS_STREAM,
            subjects=subjects.STATUS_SUBJECTS,
            max_per_subject=1,
            max_age_s=STATUS_LIFETIME_S,
            discard="old",
        ),
    )


def app_streams(app: App, run: str) -> tuple[StreamSpec, ...]:
    """Everything of one application; `run` names an ingress that is created now (an older one keeps its own)."""
    name = app.name
    ingress = StreamSpec(
        name=subjects.ingress_stream(name),
        subjects=(subjects.ingress(name), subjects.ingress(name, "*")),
        retention="work_queue",
        max_bytes=app.limits.ingress_bytes,
        discard="new",
        metadata={RUN_KEY: run},
        consumers=(ConsumerSpec(name=subjects.INGRESS_CONSUMER, ack_wait_s=ACK_WAIT_S, max_ack_pending=-1),),
    )
    egress = StreamSpec(
        name=subjects.egress_stream(name),
        subjects=(subjects.put(name, "*", ">"),),
        max_bytes=app.limits.egress_bytes,
        discard="new",
        republish=(subjects.put(name, "*", ">"), f"jupiter.{name}.egress.{{{{wildcard(1)}}}}.>"),
        consumers=(ConsumerSpec(name=subjects.RESULTS_CONSUMER, ack_wait_s=30.0, max_ack_pending=-1),),
    )
    dead = StreamSpec(
        name=subjects.dead_stream(name),
        subjects=(subjects.dead(name),),
        max_bytes=app.limits.dead_bytes,
        discard="new",
        duplicate_window_s=LETTER_WINDOW_S,
    )
    # Without a bound of its own: the server would set that much of its disk aside. Writers heed the application's.
    bucket = subjects.objects(name)
    objects = StreamSpec(
        name=bucket_stream(bucket), subjects=(chunk_subject(bucket, ">"), meta_subject(bucket, ">")), allow_rollup=True
    )
    return ingress, egress, dead, objects, *_queues(app)


def _queues(app: App) -> Iterator[StreamSpec]:
    """Of every task that reads one, and beside a gather's its journal."""
    for task in app.graph.queues:
        yield _queue(app, task)
        if app.graph.tasks[task].gather is not None:
            yield StreamSpec(
                name=subjects.gather_stream(app.name, task),
                subjects=(subjects.gather(app.name, task),),
                max_per_subject=1,
                discard="old",
            )


def _queue(app: App, task: str) -> StreamSpec:
    """An egress for who writes it, and an ingress for who reads it."""
    return StreamSpec(
        name=subjects.queue_stream(app.name, task),
        subjects=(subjects.queue(app.name, task),),
        max_bytes=app.limits.queue_bytes,
        discard="new",
        consumers=(
            ConsumerSpec(name=subjects.queue_consumer(app.name), ack_wait_s=QUEUE_ACK_WAIT_S, max_ack_pending=-1),
        ),
    )
