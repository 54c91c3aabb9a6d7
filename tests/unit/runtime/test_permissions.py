"""Who may say and hear what: nothing of the scheme is left out, and nobody reaches what is another's."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from runtime import subjects
from runtime.errors import UsageError
from runtime.jetstream import (
    API,
    ConsumerAction,
    StreamAction,
    acknowledgements,
    direct_get,
    of_consumer,
    of_stream,
)
from runtime.permissions import OF_APP, ONE_EACH, Permissions, User, permissions
from tests import scheme
from tests.scheme import matches

USERS = [
    *(User(component) for component in ONE_EACH),
    *(User(component, app) for component in OF_APP for app in scheme.APPS),
    *(User("agent", node) for node in scheme.NODES),
]
TABLE = {user: permissions(user) for user in USERS}
STORED = (*subjects.CONTROL_SUBJECTS, *subjects.PROFILE_SUBJECTS, *subjects.STATUS_SUBJECTS)
KEPT = ("ingress", "put", "queue", "gather", "dead")
"""Read through the stream alone."""
REPUBLISHED = ("egress",)
"""Said by the server."""


def may(patterns: list[str], subject: str) -> bool:
    return any(matches(pattern, subject) for pattern in patterns)


@pytest.mark.parametrize("name", scheme.names())
def test_every_subject_has_somebody_who_says_it_and_somebody_who_hears_it(name: str) -> None:
    for subject in scheme.examples(name):
        assert name in REPUBLISHED or any(may(each.publish, subject) for each in TABLE.values()), subject
        is_stored = name in KEPT or may(list(STORED), subject)
        assert is_stored or any(may(each.subscribe, subject) for each in TABLE.values()), subject


@pytest.mark.parametrize("user", USERS, ids=str)
def test_a_list_names_nothing_twice_and_never_everything(user: User) -> None:
    for patterns in (TABLE[user].publish, TABLE[user].subscribe):
        assert all(each.split(".")[0] not in ("*", ">") and not each.startswith("$SYS") for each in patterns)
        assert not any(matches(each, "jupiter.>") or matches(each, "_INBOX.>") for each in patterns)


@pytest.mark.parametrize("component", OF_APP)
def test_the_users_of_an_application_reach_nothing_of_another(component: str) -> None:
    allowed = TABLE[User(component, "other")]  # type: ignore[arg-type] # the table's own
    subjects_of_example = {
        subject for name in scheme.names() for subject in scheme.examples(name) if "example" in subject.split(".")
    }
    assert len(subjects_of_example) > 15
    assert [each for each in subjects_of_example if may(allowed.publish + allowed.subscribe, each)] == []
    assert [call for call in calls_on("example") if may(allowed.publish, call)] == []


def calls_on(app: str) -> list[str]:
    """All that JetStream lets be done to an application's streams."""
    found = []
    item = subjects.queue(app, "split", "r-1")
    for stream in scheme.streams(app):
        found += [API + of_stream(action, stream) for action in get_args(StreamAction)]
        found += [API + direct_get(stream), API + direct_get(stream, "a.b"), API + direct_get(stream, item)]
        for consumer in (subjects.INGRESS_CONSUMER, subjects.RESULTS_CONSUMER, subjects.queue_consumer(app)):
            found += [API + of_consumer(action, stream, consumer) for action in get_args(ConsumerAction)]
            found += [each.replace(">", "1.1.1.1.1") for each in acknowledgements(stream, consumer)]
    return found


def test_nobody_hears_the_replies_of_another() -> None:
    for one, other in product(USERS, USERS):
        if one != other:
            assert not may(TABLE[one].subscribe, f"{other.inbox}.0a1b.r1"), (one, other)
            assert not may(TABLE[one].subscribe, f"{other.inbox}.>"), (one, other)


def test_only_the_dispatcher_makes_and_removes_streams() -> None:
    call = API + of_stream("DELETE", subjects.ingress_stream("example"))
    assert [user.component for user in USERS if may(TABLE[user].publish, call)] == ["dispatcher"]


def test_of_the_agents_only_homes_maps_and_none_speaks_for_another() -> None:
    mapping = [user for user in USERS if may(TABLE[user].publish, subjects.mapping("example"))]
    assert [user for user in mapping if user.component == "agent"] == [User("agent", "home")]
    allowed = TABLE[User("agent", "node1")]
    assert may(allowed.publish, subjects.wave("home", "node1")) and may(
        allowed.subscribe, subjects.wave("node1", "home")
    )
    assert not may(allowed.publish, subjects.wave("home", "node2"))
    assert not may(allowed.subscribe, subjects.wave("home", "node1"))


@pytest.mark.parametrize("name", ["", "edges", "a.b", "*", ">", "a b", "_x"])
def test_a_name_that_is_no_application_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no application can be called"):
        permissions(User("worker", name))


def test_a_node_of_any_name_is_kept_to_its_own_subjects() -> None:
    allowed: Permissions = permissions(User("agent", "a.*.>"))
    assert not may(allowed.publish, subjects.node_profile("a.b.c"))
    assert may(allowed.publish, subjects.node_profile("a.*.>"))
