"""Stream configurations and what the server answers."""

from __future__ import annotations

import pytest

from runtime.errors import UsageError
from runtime.streams import ConsumerSpec, ConsumerState, StreamSpec, StreamState, changes, parse_time_s


def test_a_queue_as_the_server_reads_it() -> None:
    spec = StreamSpec(
        name="q",
        subjects=("a", "b.>"),
        retention="work_queue",
        max_bytes=1000,
        max_age_s=60.0,
        republish=("put.>", "out.>"),
        placement_tags=("node:n1",),
    )
    config = spec.to_config()
    assert config["retention"] == "workqueue"
    assert config["subjects"] == ["a", "b.>"]
    assert (config["max_bytes"], config["max_age"]) == (1000, 60_000_000_000)
    assert config["duplicate_window"] == 60_000_000_000, "never longer than the messages live"
    assert config["republish"] == {"src": "put.>", "dest": "out.>"}
    assert config["placement"] == {"tags": ["node:n1"]}


def test_consumers_as_the_server_reads_them() -> None:
    config = ConsumerSpec(name="c", ack_wait_s=1.5, max_ack_pending=9, filter_subject="a").to_config()
    assert config["ack_wait"] == 1_500_000_000
    assert (config["max_ack_pending"], config["filter_subject"], config["ack_policy"]) == (9, "a", "explicit")
    assert "ack_wait" not in ConsumerSpec(name="c", acknowledge="none").to_config()


@pytest.mark.parametrize("name", ["", "a.b", "a b", "a*", "a>", "a/b"])
def test_names_the_server_would_refuse(name: str) -> None:
    with pytest.raises(UsageError):
        StreamSpec(name=name, subjects=("a",))


def test_nothing_changes_when_nothing_differs() -> None:
    wanted = StreamSpec(name="s", subjects=("a",), metadata={"run": "mine"}).to_config()
    present = {**wanted, "metadata": {"run": "theirs", "_nats.ver": "2"}, "compression": "none"}
    assert changes(present, wanted) is None
    del present["allow_rollup_hdrs"]  # the server may leave defaults out
    assert changes(present, wanted) is None


def test_changes_keep_what_is_there() -> None:
    wanted = StreamSpec(name="s", subjects=("a", "b"), metadata={"run": "mine", "new": "1"}).to_config()
    present = {**wanted, "subjects": ["a"], "metadata": {"run": "theirs"}, "compression": "s2"}
    updated = changes(present, wanted)
    assert updated is not None
    assert updated["subjects"] == ["a", "b"]
    assert updated["compression"] == "s2"
    assert updated["metadata"] == {"run": "theirs", "new": "1"}


def test_states_are_read() -> None:
    state = StreamState.read(
        {
            "config": {"name": "s", "metadata": {"run": "r"}},
            "state": {"first_seq": 2, "last_seq": 5, "messages": 4, "bytes": 100, "consumer_count": 1},
            "created": "2026-01-02T03:04:05.5Z",
        }
    )
    assert (state.first_sequence, state.last_sequence, state.messages) == (2, 5, 4)
    assert state.metadata == {"run": "r"}
    assert state.created_s == 1767323045.5
    consumer = ConsumerState.read(
        {
            "name": "c",
            "ack_floor": {"stream_seq": 3},
            "delivered": {"stream_seq": 4},
            "num_ack_pending": 1,
            "created": "2026-01-02T03:04:05.5Z",
        }
    )
    assert consumer.created_s == state.created_s
    assert (consumer.ack_floor_stream_sequence, consumer.delivered_stream_sequence) == (3, 4)
    assert (consumer.num_ack_pending, consumer.num_pending) == (1, 0)


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("2026-01-02T03:04:05Z", 1767323045.0),
        ("2026-01-02T03:04:05.123456789Z", 1767323045.123456789),
        ("2026-01-02T04:04:05.25+01:00", 1767323045.25),
        ("2026-01-02T04:04:05+01:00", 1767323045.0),
        ("2026-01-01T23:04:05.5-04:00", 1767323045.5),
    ],
)
def test_times_of_the_server(text: str, seconds: float) -> None:
    assert parse_time_s(text) == pytest.approx(seconds, abs=1e-6)
