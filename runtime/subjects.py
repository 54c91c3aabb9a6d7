"""Every name on the bus: subjects, streams, consumers and buckets. A name built anywhere else is a bug.

Application and task names are subject-safe (`NAME`); node names may hold anything and are encoded by
`node_token`, which `node_name` reverses.
"""

from __future__ import annotations

import hashlib
import re

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
"""What an application or task may be called: one subject token, safe in stream names too."""
RESERVED_APPS = frozenset({"app", "mapping", "profile", "status", "probe", "wave", "worker", "edges"})
MAPPER, DISPATCHER = "mapper", "dispatcher"
DECIDERS = frozenset({MAPPER, DISPATCHER})
"""As which task they say of each application what they wait for."""
RESERVED_TASKS = DECIDERS | {"home"}

CONTROL_STREAM = "jupiter-control"
PROFILE_STREAM = "jupiter-profile"
STATUS_STREAM = "jupiter-status"
BUNDLES = "jupiter-bundles"
CONTROL_SUBJECTS = ("jupiter.app.*", "jupiter.mapping.*", "jupiter.worker.*.*.*", "jupiter.edges.*")
PROFILE_SUBJECTS = ("jupiter.profile.>",)
STATUS_SUBJECTS = ("jupiter.status.*.*.*",)
INGRESS_CONSUMER = "gateway"
RESULTS_CONSUMER = "results"
INPUT_HEADER = "Jupiter-Input"
"""On results and dead letters: the sequence in the ingress of the input they descend from."""
QUEUE_HEADER = "Jupiter-Queue"
"""On what descends from an item of an inner queue: the queue's task, and the item's sequence in it."""
GROUP_HEADER = "Jupiter-Group"
"""On a group that is sent again as a whole: the gather whose group it is."""
ID_HEADER = "Jupiter-Id"
"""On what a tap gives: the item's id."""
OUTPUTS_HEADER = "Jupiter-Outputs"
"""On what a task yielded or emitted: how many outputs its child gets for the item (with a route, all children
together), a space, and the item's id."""
TAP_HEADER = "Jupiter-Tap"
"""On what a tap gives: the worker's incarnation, a space, and the output's number there, from 1."""
REPLAY_HEADER = "Jupiter-Replay"
"""On an input that enters again because of dead letters: which input it was (`circe.replay`)."""
MESSAGE_ID_HEADER = "Nats-Msg-Id"
"""A producer's own id of an input."""
MAX_ID_CHARS = 512
"""Longer ids are hashed: the server closes a connection whose subject passes 4,096 bytes."""

_PLAIN = re.compile(r"[A-Za-z0-9_-]")


def node_token(node: str | None) -> str:
    """A node's name as one subject token: every byte but `A-Za-z0-9_-` becomes `=XX`. None stands for every node."""
    return "*" if node is None else _escape(node)


def node_name(token: str) -> str:
    """The node's name behind a token of `node_token`."""
    return re.sub(rb"=([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), token.encode()).decode()


def escape_id(text: str) -> str:
    """A producer's message id as part of an item id: injective, and hashed when long."""
    escaped = _escape(text)
    if len(escaped) <= MAX_ID_CHARS:
        return escaped
    return "=H" + hashlib.sha256(text.encode()).hexdigest()


def _escape(text: str) -> str:
    return "".join(c if _PLAIN.match(c) else "".join(f"={b:02X}" for b in c.encode()) for c in text)


# Records: last value per subject.
def app(name: str) -> str:
    return f"jupiter.app.{name}"


def mapping(app_name: str) -> str:
    return f"jupiter.mapping.{app_name}"


def edges(app_name: str) -> str:
    return f"jupiter.edges.{app_name}"


def worker(node: str | None, app_name: str, task: str) -> str:
    return f"jupiter.worker.{node_token(node)}.{app_name}.{task}"


def link_profile(source: str | None) -> str:
    return f"jupiter.profile.link.{node_token(source)}"


def node_profile(node: str | None) -> str:
    return f"jupiter.profile.node.{node_token(node)}"


def execution_profile(app_name: str, task: str, node: str | None) -> str:
    return f"jupiter.profile.exec.{app_name}.{task}.{node_token(node)}"


def status(app_name: str, task: str, incarnation: str) -> str:
    return f"jupiter.status.{app_name}.{task}.{incarnation}"


# Items at the ends: one item per message, raw payload.
def ingress(app_name: str, task: str | None = None) -> str:
    return f"jupiter.{app_name}.ingress" + (f".{task}" if task else "")


def put(app_name: str, task: str, item_id: str) -> str:
    return f"jupiter.{app_name}.put.{task}.{item_id}"


def egress(app_name: str, task: str = "*", item_id: str = ">") -> str:
    return f"jupiter.{app_name}.egress.{task}.{item_id}"


def queue(app_name: str, task: str = "*", item_id: str = ">") -> str:
    """An item on its way to a task with a queue of its own."""
    return f"jupiter.{app_name}.queue.{task}.{item_id}"


def gather(app_name: str, task: str = "*") -> str:
    """The journal of a gather: its whole state, the last value."""
    return f"jupiter.{app_name}.gather.{task}"


def tap(app_name: str, task: str) -> str:
    return f"jupiter.{app_name}.task.{task}.out"


def listener(app_name: str, task: str) -> str:
    """Where somebody who listens to a tap asks for all that comes."""
    return f"jupiter.{app_name}.task.{task}.tap"


def log(app_name: str, task: str) -> str:
    return f"jupiter.{app_name}.task.{task}.log"


def dead(app_name: str, task: str = "*", item_id: str = ">") -> str:
    """A dead letter; by its item's id another attempt finds it."""
    return f"jupiter.{app_name}.dead.{task}.{item_id}"


# Direct edges.
def inbox(app_name: str, task: str, incarnation: str) -> str:
    return f"jupiter.{app_name}.task.{task}.in.{incarnation}"


def lineage(app_name: str, head: str) -> str:
    return f"jupiter.{app_name}.lineage.{head}"


def origin(app_name: str, head: str) -> str:
    return f"jupiter.{app_name}.origin.{head}"


def credit(app_name: str, incarnation: str) -> str:
    return f"jupiter.{app_name}.credit.{incarnation}"


def inbox_of_user(component: str, name: str = "") -> str:
    """The prefix of the reply subjects of one user; what it is asked by others' keys is not seen."""
    return f"_INBOX.{component}" + (f".{name}" if name else "")


def probe(node: str | None, kind: str) -> str:
    return f"jupiter.probe.{node_token(node)}.{kind}"


def wave(node: str | None, sender: str | None) -> str:
    """What one agent says to another when they place tasks: who says it stands in the subject."""
    return f"jupiter.wave.{node_token(node)}.{node_token(sender)}"


# Streams of one application.
def ingress_stream(app_name: str) -> str:
    return f"jupiter-{app_name}-ingress"


def egress_stream(app_name: str) -> str:
    return f"jupiter-{app_name}-egress"


def dead_stream(app_name: str) -> str:
    return f"jupiter-{app_name}-dead"


def queue_stream(app_name: str, task: str) -> str:
    # No application is called so: a queue `ingress` of the application `a` must not be the ingress of `a-queue`.
    return f"jupiter-{app_name}-queue={task}"


def queue_consumer(app_name: str) -> str:
    """Of every inner queue of the application: it has the name in it so that its workers may read no other's."""
    return f"head-of-{app_name}"


def gather_stream(app_name: str, task: str) -> str:
    return f"jupiter-{app_name}-gather={task}"


def everything(app_name: str) -> str:
    """The subjects that belong to one application alone, and so do the streams that keep them."""
    return f"jupiter.{app_name}.>"


def objects(app_name: str) -> str:
    """The bucket of payloads that are too big for messages."""
    return f"jupiter-{app_name}-objects"
