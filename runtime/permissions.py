"""Who may say and hear what: one NATS user per component, with the subjects that it needs and no others. Pure.

The users of an application (its workers, its clients) are kept to the subjects and streams of that application. The
others serve all applications. Nobody hears another user's replies: each has an inbox prefix of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from runtime import subjects
from runtime.errors import UsageError
from runtime.jetstream import (
    ACCOUNT,
    API,
    STREAM_NAMES,
    ConsumerAction,
    StreamAction,
    acknowledgements,
    bucket_stream,
    chunk_subject,
    direct_get,
    meta_subject,
    of_consumer,
    of_stream,
)
from runtime.network import HOME

Component = Literal["agent", "client", "dispatcher", "gateway", "mapper", "operator", "worker"]
ONE_EACH: tuple[Component, ...] = ("dispatcher", "gateway", "mapper", "operator")
"""One of these serves a whole Jupiter; `operator` is who uses the `jupiter` command."""
OF_APP: tuple[Component, ...] = ("client", "worker")
OF_NODE: tuple[Component, ...] = ("agent",)

CONSUMING: tuple[ConsumerAction, ...] = ("INFO", "RESET", "MSG.NEXT")
MANAGING: tuple[StreamAction, ...] = ("INFO", "CREATE", "UPDATE", "DELETE", "PURGE")
CONTROL, PROFILE, STATUS = subjects.CONTROL_STREAM, subjects.PROFILE_STREAM, subjects.STATUS_STREAM
EVERY_BEAT = subjects.status("*", "*", "*")


class User(NamedTuple):
    """One NATS user."""

    component: Component
    name: str = ""
    """The node of an agent, the application of a worker or client."""

    @property
    def token(self) -> str:
        """Its name as a token of a subject, and as a part of a file's name."""
        return subjects.node_token(self.name) if self.component in OF_NODE else self.name

    @property
    def inbox(self) -> str:
        """The prefix of its reply subjects."""
        return subjects.inbox_of_user(self.component, self.token)


@dataclass(slots=True)
class Permissions:
    """What one user may publish and subscribe to."""

    publish: list[str] = field(default_factory=list)
    subscribe: list[str] = field(default_factory=list)

    def says(self, *names: str) -> None:
        self.publish += names

    def hears(self, *names: str) -> None:
        self.subscribe += names

    def calls(self, *names: str) -> None:
        """Calls of JetStream."""
        self.publish += [API + name for name in names]

    def follows(self, stream: str, *filters: str) -> None:
        """Records that match; with the right to read their stream."""
        self.hears(*filters)
        self.reads(stream, *filters)
        self.calls(of_stream("MSG.GET", stream))

    def reads(self, stream: str, *filters: str) -> None:
        """Any message of a stream."""
        self.calls(of_stream("INFO", stream), direct_get(stream), *[direct_get(stream, each) for each in filters])

    def looks_up(self, stream: str, *names: str) -> None:
        """The last message of these subjects alone."""
        self.calls(of_stream("INFO", stream), *[direct_get(stream, name) for name in names])

    def stores_objects(self, bucket: str, stream: str) -> None:
        """Objects into a bucket and out of it."""
        self.says(chunk_subject(bucket), meta_subject(bucket))
        self.reads(stream)
        self.calls(of_stream("MSG.GET", stream), direct_get(stream, meta_subject(bucket)))

    def consumes(self, stream: str, consumer: str) -> None:
        """Messages of a consumer that is there."""
        for action in CONSUMING:
            self.calls(of_consumer(action, stream, consumer))
        self.says(*acknowledgements(stream, consumer))


def permissions(user: User) -> Permissions:
    """Everything a user needs; raises UsageError on a name that cannot be."""
    if user.component in OF_APP:
        _check_app(user.name)
    allowed = Permissions()
    allowed.hears(f"{user.inbox}.>")
    _TABLE[user.component](allowed, user.name)
    return allowed


def _check_app(name: str) -> None:
    if not subjects.NAME.fullmatch(name) or name in subjects.RESERVED_APPS:
        raise UsageError(f"no application can be called {name!r}: write the name as in its configuration")


def _agent(allowed: Permissions, node: str) -> None:
    allowed.follows(PROFILE, subjects.node_profile(None))
    wanted = subjects.worker(node, "*", "*")
    allowed.follows(CONTROL, wanted, subjects.edges("*"), subjects.mapping("*"), subjects.app("*"))
    allowed.looks_up(STATUS, EVERY_BEAT)
    allowed.says(EVERY_BEAT, subjects.log("*", "*"))
    allowed.says(subjects.node_profile(node), subjects.link_profile(node), subjects.execution_profile("*", "*", node))
    allowed.hears(subjects.probe(node, "*"))
    allowed.says(subjects.probe(None, "*"), subjects.inbox_of_user("agent", "*.>"))
    allowed.hears(subjects.wave(node, None))
    allowed.says(subjects.wave(None, node))
    if node == HOME:
        allowed.says(subjects.mapping("*"))
    bundles = bucket_stream(subjects.BUNDLES)
    allowed.reads(bundles, meta_subject(subjects.BUNDLES))


def _mapper(allowed: Permissions, _: str) -> None:
    allowed.follows(CONTROL, subjects.app("*"), subjects.mapping("*"))
    profiles = (
        subjects.node_profile(None),
        subjects.link_profile(None),
        subjects.execution_profile("*", "*", None),
    )
    allowed.follows(PROFILE, *profiles)
    allowed.follows(STATUS, EVERY_BEAT)
    allowed.says(subjects.mapping("*"), subjects.status("*", subjects.MAPPER, "*"))


def _dispatcher(allowed: Permissions, _: str) -> None:
    mine = (subjects.mapping("*"), subjects.edges("*"), subjects.worker(None, "*", "*"))
    allowed.follows(CONTROL, subjects.app("*"), *mine)
    allowed.follows(STATUS, EVERY_BEAT)
    allowed.says(*mine, subjects.status("*", subjects.DISPATCHER, "*"))
    for action in MANAGING:
        allowed.calls(of_stream(action, "*"))
    allowed.calls(of_consumer("CREATE", "*", "*"), of_consumer("CREATE", "*", "*", ">"))
    allowed.calls(of_consumer("INFO", "*", "*"), STREAM_NAMES)


def _gateway(allowed: Permissions, _: str) -> None:
    allowed.follows(CONTROL, subjects.app("*"), subjects.edges("*"))
    allowed.hears(subjects.lineage("*", "*"), subjects.credit("*", "*"), subjects.origin("*", "*"), EVERY_BEAT)
    allowed.says(subjects.inbox("*", "*", "*"), subjects.credit("*", "*"), subjects.status("*", HOME, "*"))
    allowed.says(subjects.dead("*", HOME), subjects.inbox_of_user("worker", "*.>"))
    allowed.consumes("*", subjects.INGRESS_CONSUMER)
    allowed.calls(of_consumer("INFO", "*", "*"))
    allowed.calls(of_stream("INFO", "*"), of_stream("PURGE", "*"), direct_get("*"), direct_get("*", ">"))
    allowed.stores_objects("*", "*")  # of bundles too, but whoever reads one checks its digest


def _worker(allowed: Permissions, app: str) -> None:
    edges = subjects.edges(app)
    allowed.hears(edges)
    allowed.looks_up(CONTROL, edges)
    both = (subjects.inbox(app, "*", "*"), subjects.credit(app, "*"))
    allowed.hears(*both)
    allowed.says(*both, subjects.lineage(app, "*"), subjects.origin(app, "*"), subjects.status(app, "*", "*"))
    results = subjects.put(app, "*", ">")
    allowed.says(results, subjects.dead(app), subjects.tap(app, "*"), subjects.ingress(app, "*"))
    allowed.looks_up(subjects.egress_stream(app), results)
    allowed.looks_up(subjects.dead_stream(app), subjects.dead(app))
    allowed.hears(subjects.listener(app, "*"))
    allowed.says(subjects.inbox_of_user("operator", ">"))
    objects = bucket_stream(subjects.objects(app))
    allowed.stores_objects(subjects.objects(app), objects)
    allowed.calls(of_stream("PURGE", objects), direct_get(objects, chunk_subject(subjects.objects(app))))
    _queues(allowed, app)


def _queues(allowed: Permissions, app: str) -> None:
    """What a worker needs in whose task's queue it stores, and as its head. The streams have names of their own: what
    keeps an application to them are the subjects in them, and the name of their consumer."""
    items, journals = subjects.queue(app), subjects.gather(app)
    allowed.says(items, journals)
    allowed.calls(direct_get("*", items), direct_get("*", journals))
    allowed.consumes("*", subjects.queue_consumer(app))
    allowed.hears(subjects.lineage(app, "*"), subjects.origin(app, "*"), subjects.status(app, "*", "*"))
    allowed.says(subjects.inbox_of_user("worker", f"{app}.>"))


def _client(allowed: Permissions, app: str) -> None:
    allowed.says(subjects.ingress(app), subjects.ingress(app, "*"))
    allowed.hears(subjects.egress(app))
    allowed.consumes(subjects.egress_stream(app), subjects.RESULTS_CONSUMER)
    allowed.reads(subjects.egress_stream(app))
    allowed.calls(of_stream("INFO", subjects.ingress_stream(app)))
    allowed.looks_up(CONTROL, subjects.app(app))
    allowed.stores_objects(subjects.objects(app), bucket_stream(subjects.objects(app)))


def _operator(allowed: Permissions, _: str) -> None:
    mine = (subjects.app("*"), subjects.mapping("*"))
    allowed.follows(CONTROL, *mine, subjects.edges("*"))
    allowed.follows(
        PROFILE,
        subjects.node_profile(None),
        subjects.link_profile(None),
        subjects.execution_profile("*", "*", None),
    )
    allowed.follows(STATUS, EVERY_BEAT)
    allowed.says(*mine, subjects.ingress("*"), subjects.ingress("*", "*"), subjects.queue("*"))
    allowed.hears(subjects.egress("*"), subjects.tap("*", "*"), subjects.log("*", "*"))
    allowed.says(subjects.listener("*", "*"), subjects.inbox_of_user("worker", "*.>"))
    bundles = bucket_stream(subjects.BUNDLES)
    allowed.stores_objects("*", "*")
    allowed.calls(of_stream("CREATE", bundles), of_stream("UPDATE", bundles), ACCOUNT)
    allowed.reads("*", ">")
    allowed.calls(of_stream("PURGE", "*"), of_stream("MSG.DELETE", "*"), of_consumer("INFO", "*", "*"), STREAM_NAMES)
    allowed.consumes("*", subjects.RESULTS_CONSUMER)


_TABLE: dict[Component, Callable[[Permissions, str], None]] = {
    "agent": _agent,
    "client": _client,
    "dispatcher": _dispatcher,
    "gateway": _gateway,
    "mapper": _mapper,
    "operator": _operator,
    "worker": _worker,
}
