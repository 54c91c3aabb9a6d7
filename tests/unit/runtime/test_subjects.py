from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runtime import subjects

NAMES = st.text(min_size=1)
TOKEN = re.compile(r"[A-Za-z0-9_=-]*")


@given(NAMES)
@example("rpi-3.lab.example.org")
@example("=2E")
def test_a_node_comes_back_from_its_token(node: str) -> None:
    token = subjects.node_token(node)
    assert TOKEN.fullmatch(token)
    assert subjects.node_name(token) == node


@given(NAMES, NAMES)
@example("=H" + "0" * 64, "x" * 600)
@example("a.b", "a=2Eb")
def test_ids_that_differ_stay_different_and_are_one_token(first: str, second: str) -> None:
    escaped = subjects.escape_id(first)
    assert TOKEN.fullmatch(escaped)
    assert len(escaped) <= subjects.MAX_ID_CHARS
    assert (escaped == subjects.escape_id(second)) == (first == second)


@given(st.text(min_size=subjects.MAX_ID_CHARS + 1))
def test_long_ids_are_hashed_into_what_no_short_one_becomes(text: str) -> None:
    escaped = subjects.escape_id(text)
    assert re.fullmatch("=H[0-9a-f]{64}", escaped)
    with pytest.raises(ValueError, match="invalid literal"):
        int(escaped[1:3], 16)


@pytest.mark.parametrize("name", ["a", "A-b_9", "0", "x" * 63])
def test_names(name: str) -> None:
    assert subjects.NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["", "-a", "a.b", "a b", "a*", ">", "ä", "x" * 64, "a\n"])
def test_names_that_cannot_be(name: str) -> None:
    assert not subjects.NAME.fullmatch(name)


def test_reserved_names_are_names_of_no_application() -> None:
    """`jupiter.<word>.…` must not be both a record of the system and a subject of an application."""
    templates = (*subjects.CONTROL_SUBJECTS, *subjects.PROFILE_SUBJECTS, *subjects.STATUS_SUBJECTS)
    own = {template.split(".")[1] for template in templates} | {"probe", "wave"}
    assert own <= subjects.RESERVED_APPS
