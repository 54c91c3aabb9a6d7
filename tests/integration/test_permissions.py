"""The server itself keeps every user to its list: each subject of the scheme is tried by each user, both ways."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import nats
from nats.aio.client import Client

from runtime import subjects
from runtime.credentials import given
from runtime.jetstream import (
    API,
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
from runtime.permissions import User, permissions
from runtime.server import EmbeddedServer
from tests import scheme
from tests.integration.secrecy import Keys

REFUSED = re.compile(r'permissions violation for (publish|subscription) to "([^"]+)"', re.IGNORECASE)
WIDE = (">", "*.>", "jupiter.>", "jupiter.*.>", "_INBOX.>", "_INBOX.*.>", "$JS.>", "$SYS.>", "$O.>")
"""Whoever may hear one of these hears what is meant for others."""


def tried(users: list[User]) -> list[str]:
    """Concrete subjects: all names of ours, JetStream's calls on every stream, and every user's inbox."""
    found = {subject for name in scheme.names() for subject in scheme.examples(name)}
    streams = [stream for app in scheme.APPS for stream in scheme.streams(app)]
    streams += [subjects.CONTROL_STREAM, subjects.PROFILE_STREAM, subjects.STATUS_STREAM]
    streams += [bucket_stream(subjects.BUNDLES), "foreign"]
    for stream in streams:
        found |= {API + of_stream(action, stream) for action in get_args(StreamAction)}
        found |= {API + direct_get(stream), API + direct_get(stream, "jupiter.example.put.a.b")}
        found |= {API + direct_get(stream, "jupiter.example.queue.a.b")}
        for consumer in (
            subjects.INGRESS_CONSUMER,
            subjects.RESULTS_CONSUMER,
            *map(subjects.queue_consumer, scheme.APPS),
        ):
            found |= {API + of_consumer(action, stream, consumer) for action in get_args(ConsumerAction)}
            found |= {each.replace(">", "1.1.1.1.1").replace("*", "x") for each in acknowledgements(stream, consumer)}
    found |= {API + "INFO", chunk_subject(subjects.BUNDLES, "n"), meta_subject(subjects.BUNDLES, "n")}
    return sorted(found | {f"{user.inbox}.0a1b.r1" for user in users} | {"foreign.subject", "$SYS.REQ.SERVER.PING"})


async def refused(client: Client, errors: list[str], names: list[str]) -> tuple[set[str], set[str]]:
    """Which of them the server does not let be published, and which not be subscribed to; in nats-py's lower case."""
    for name in names:
        await client.publish(name, b"")
    for name in (*names, *WIDE):
        await client.subscribe(name)
    for _ in range(2):  # its first PING overtakes what is in its buffer
        await client.flush(10)
    found = [REFUSED.search(error) for error in errors]
    assert all(found), errors
    said = {(each[1].lower(), each[2]) for each in found if each}
    return tuple({name for kind, name in said if kind == wanted} for wanted in ("publish", "subscription"))  # type: ignore[return-value]


async def test_every_user_is_refused_every_subject_off_its_list(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys", scheme.APPS, scheme.NODES)
    names = tried(keys.users)
    assert len({name.lower() for name in names}) == len(names)
    checks = 0
    async with EmbeddedServer(extra_config=keys.server_config) as server:
        for user in keys.users:
            errors: list[str] = []

            async def take(error: Exception, errors: list[str] = errors) -> None:
                errors.append(str(error))

            own, allowed = given(keys.of(user)), permissions(user)
            client = await nats.connect(
                server.url, nkeys_seed_str=own.seed, inbox_prefix=own.inbox.encode(), error_cb=take
            )
            unsaid, unheard = await refused(client, errors, names)
            await client.close()
            for name in names:
                assert (name.lower() in unsaid) != any(scheme.matches(each, name) for each in allowed.publish), (
                    user,
                    name,
                )
                assert (name.lower() in unheard) != any(scheme.matches(each, name) for each in allowed.subscribe), (
                    user,
                    name,
                )
            assert unheard.issuperset(each.lower() for each in WIDE), user
            checks += len(unsaid) + len(unheard)
    assert checks > 2000
    print(f"{checks} refusals of {len(keys.users)} users")
