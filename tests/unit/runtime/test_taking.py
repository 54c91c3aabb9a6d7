"""Records on their way in: decoded, gone, or refused with one line."""

from __future__ import annotations

import logging

import pytest

from runtime import codec
from runtime.message import Record
from runtime.records import EdgeRecord
from runtime.taking import taking


def record(payload: bytes | None) -> Record:
    return Record("jupiter.edges.x", payload, 1, 0.0)


def test_a_record_comes_with_its_value_and_a_gone_one_with_none() -> None:
    taken: list[EdgeRecord | None] = []
    handler = taking(EdgeRecord.from_record, lambda _, edges: taken.append(edges))
    edges = EdgeRecord(app="x", revision=3)
    handler(record(codec.encode_record(edges.to_record())))
    handler(record(None))
    assert taken == [edges, None]


@pytest.mark.parametrize("payload", [b"no json", b"[]", b'{"app":"x"}', b'{"app":1}', b"\xff", b"[" * 10_000])
def test_what_cannot_be_read_is_said_and_changes_nothing(payload: bytes, caplog: pytest.LogCaptureFixture) -> None:
    taken: list[EdgeRecord | None] = []
    with caplog.at_level(logging.WARNING):
        taking(EdgeRecord.from_record, lambda _, edges: taken.append(edges))(record(payload))
    assert taken == []
    assert "refused the record jupiter.edges.x" in caplog.text
