"""What tables leave to the lines below them."""

from __future__ import annotations

import pytest

from deploy.tables import brief


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
