"""Messages that nobody of ours would send, on every internal subject: drawn from a seed, so that a run can be repeated.

Some are noise, some are made to hurt whoever decodes them, and some are well formed with absurd contents. What is not
among them is what would be obeyed by design: the empty record that deletes, and frames of an input that is in flight.
"""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgpack

from runtime import subjects
from runtime.app import App
from runtime.records import EdgeRecord

ABSURD: tuple[Any, ...] = (
    math.nan, math.inf, -1, -0.0, 0, 2**53, 2**63, 2**64 - 1, -(2**63), 1e308, 1e-308, "", " ", "a b", "x\r\nPUB y 0",
    "*", ">", "a.>", "\x00", "é" * 300, "x" * 5000, None, True, [], {}, [[]], {"": 0}, b"\xff", [None], "home", "nan",
)  # fmt: skip
BLOCKS = (
    b"",
    b"NATS/1.0\r\n\r\n",
    b"NATS/1.0 503\r\n\r\n",
    b"NATS/1.0 404 No Messages\r\nNats-Last-Sequence: x\r\n\r\n",
    b"NATS/1.0 100 Idle Heartbeat\r\n\r\n",
    b"NATS/1.0 9999999999 what\r\n\r\n",
    b"NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 1\r\n\r\n",
    b"NATS/1.0\r\nNats-Rollup: sub\r\nNats-TTL: 1s\r\n\r\n",
    b"NATS/1.0\r\nJupiter-Input: -1\r\nJupiter-Replay: [[[[\r\nJupiter-Queue: x\r\n\r\n",
    b"NATS/1.0\r\n: \r\nA\r\n\xff\xfe: \x00\r\n\r\n",
    b"NATS/1.0\r\n" + b"A: b\r\n" * 3000 + b"\r\n",
)
REPLIES = ("", "", "_INBOX.nobody", "jupiter.app.example", "jupiter.edges.example", "$JS.API.INFO", "x" * 3000)


class Blow(NamedTuple):
    """One message."""

    subject: str
    payload: bytes
    block: bytes
    reply: str


def blows(seed: int, app: App, edges: EdgeRecord, samples: dict[str, bytes], count: int) -> Iterator[Blow]:
    """`samples` are records as they are, by subject, to be mutated."""
    rng = random.Random(seed)
    machine, human = _machine_subjects(app, edges), _human_subjects(app, edges)
    for number in range(count):
        if number % 2:
            subject, payload = rng.choice(machine), _packed(rng)
        else:
            subject = rng.choice(human)
            payload = _record(rng, samples.get(subject) or rng.choice(list(samples.values())))
        if number % 500 == 499:
            payload = rng.choice(BOMBS)
        yield Blow(subject, payload, rng.choice(BLOCKS), rng.choice(REPLIES))


def _machine_subjects(app: App, edges: EdgeRecord) -> list[str]:
    """What carries msgpack or less: frames, reports, credit, questions, probes."""
    names = [*edges.incarnations(), *edges.heads.values()]
    found = [subjects.inbox(app.name, task, name) for task, live in edges.workers.items() for name in live]
    found += [subjects.credit(app.name, name) for name in names]
    for head in edges.heads.values():
        found += [subjects.lineage(app.name, head), subjects.origin(app.name, head)] * 3
    for node in ("home", "node1"):
        found += [subjects.probe(node, kind) for kind in ("ping", "lease", "done", "bulk")]
        found += [subjects.wave(node, "stranger"), subjects.wave(node, "home")]
    found += [subjects.listener(app.name, task) for task in app.graph.tasks]
    for task in app.graph.queues:
        ids = ("zz-1", "é*", "a..b", "x" * 600, "%")
        found += [subjects.gather(app.name, task), *(subjects.queue(app.name, task, each) for each in ids)]
    return sorted(found)


def _human_subjects(app: App, edges: EdgeRecord) -> list[str]:
    """What carries JSON: records, beats, dead letters."""
    found = [subjects.app(app.name), subjects.edges(app.name), subjects.app("stranger"), subjects.edges("stranger")]
    found += [subjects.mapping("stranger"), subjects.worker("node1", "stranger", "split")]
    for task, names in edges.workers.items():
        found += [subjects.status(app.name, task, name) for name in (*names, "stranger")]
        found += [subjects.worker(node, app.name, task) for node in ("home", "node1", "stranger")]
        found += [subjects.execution_profile(app.name, task, node) for node in ("home", "stranger")]
        found += [subjects.dead(app.name, task, "zz-1"), subjects.log(app.name, task), subjects.tap(app.name, task)]
    for node in ("home", "node1", "stranger"):
        found += [subjects.node_profile(node), subjects.link_profile(node)]
    return sorted([*found, "jupiter.profile.exec.a", "jupiter.profile.what.ever.it.is", "jupiter.status.a.b.c"])


def _bytes(rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice((1, 2, 7, 8, 20, 300, 5000)))


def _mutated(rng: random.Random, data: bytes) -> bytes:
    broken = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        broken[rng.randrange(len(broken))] = rng.randrange(256)
    return bytes(broken[: rng.randint(1, len(broken))]) if rng.random() < 0.5 else bytes(broken)


def _packed(rng: random.Random) -> bytes:
    """Noise, or something of the shape of a frame, report or control message, of senders that nobody knows."""
    if rng.random() < 0.3:
        return _bytes(rng)
    numbers = (0, 1, 2, rng.randrange(2**53), 2**64 - 1, rng.choice(ABSURD))
    name = rng.choice((f"stranger-{rng.randrange(10**6)}", rng.choice(ABSURD)))
    part = [rng.choice(numbers) for _ in range(3)]
    part += [
        f"zz-{rng.randrange(99)}",
        rng.choice((None, b"x", rng.choice(ABSURD))),
        rng.choice(("", "what", "é" * 99)),
    ]
    shapes: list[Any] = [
        [name, rng.choice(numbers), 0, rng.choice(numbers), rng.choice(("split", "home")), name, [part] * 3],
        [name, rng.choice(numbers), [part[:3]] * 5],
        [name, rng.choice(numbers), rng.choice(numbers), [[1, 2, True], part[:3]]],
        rng.choice(ABSURD),
        [rng.choice(ABSURD) for _ in range(rng.choice((3, 4, 7)))],
    ]
    data: bytes = msgpack.packb(rng.choice(shapes))
    return data if rng.random() < 0.6 else _mutated(rng, data)


def _record(rng: random.Random, sample: bytes) -> bytes:
    """A record with something absurd in it; never an empty one, which deletes."""
    kind = rng.random()
    if kind < 0.2:
        return _bytes(rng)
    if kind < 0.4:
        return _mutated(rng, sample)
    record = json.loads(sample)
    for _ in range(rng.randint(1, 3)):
        place: Any = record
        while isinstance(place, dict) and place:
            key = rng.choice(sorted(place))
            if not isinstance(place[key], dict) or rng.random() < 0.4:
                place[key] = copy.deepcopy(rng.choice([each for each in ABSURD if not isinstance(each, bytes)]))
                break
            place = place[key]
    return json.dumps(record).encode()


def _nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


BOMBS = (
    b"\x91" * (1 << 20),
    b"\xdd\x00\x00\xff\xff" * 1000,
    b"\x97" + (b"\xdc\xff\xff" + b"\x90" * 65535) * 60,
    b"\x97\xa1s\x01\x00\x00\xa1t\xa1h\xdc\xff\xff" + b"\x80" * (4 << 20),
    b"\xdb\xff\xff\xff\xff" + b"x" * 1000,
    b"\xc9\xff\xff\xff\xff\x01" + b"x" * 1000,
    _nested(500_000),
    b'{"a": [' + b"[]," * (1 << 20) + b"1]}",
    b'{"a": ' + b"9" * 100_000 + b"}",
    b'{"a": "' + b"x" * (7 << 20) + b'"}',
)
