"""What tables leave to the lines below them."""

from __future__ import annotations

import pytest

from deploy.tables import brief, queue_row


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("in place", "in place"),
        ("waiting for count on node1, which is not there", "waiting"),
        ("moving count on node1", "moving"),
        ("not obeyed: the mapping names no node for merge", "not obeyed"),
        ("cannot map: task a can run on no node: on home it raised RuntimeError", "not mapped"),
        ("profiling: 3 of 5 tasks", "not mapped"),
    ],
)
def test_a_state_is_a_word_or_two_in_a_table(state: str, word: str) -> None:
    assert brief(state) == word


def test_a_queue_shows_who_reads_it_and_how_full_it_is() -> None:
    queue = {"head": None, "in_flight": 0, "lag": 7, "messages": 9, "bytes": 3 << 20, "max_bytes": 1 << 30}
    assert queue_row("cut", queue) == ("cut", "nobody", 0, 7, 9, "3 MiB", "1 GiB")
