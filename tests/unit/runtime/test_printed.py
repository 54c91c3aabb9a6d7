"""Lines on their way from a task to whoever listens."""

import json

from hypothesis import given
from hypothesis import strategies as st

from runtime import printed
from runtime.allowance import Allowance
from runtime.printed import LONGEST_LINE_CHARS, MARK, RECORD_BYTES, Printed, Splitter, records

LINE = Printed(1234.5678, "INFO", "node1", "run-7", "hello")


def cut(data: bytes, at: list[int]) -> list[tuple[bool, bytes]]:
    """Lines of `data`, fed in pieces."""
    splitter, found, start = Splitter(), [], 0
    for end in [*sorted(each % (len(data) + 1) for each in at), len(data)]:
        found += splitter.feed(data[start:end])
        start = end
    return found + list(splitter.end())


def test_a_line_is_one_json_object() -> None:
    assert json.loads(LINE.encode()) == {
        "time": 1234.568,
        "level": "INFO",
        "node": "node1",
        "id": "run-7",
        "line": "hello",
    }
    assert printed.decode(LINE.encode()) == LINE._replace(time_s=1234.568)


@given(st.text(max_size=9000), st.text(max_size=900))
def test_a_line_travels_in_records_that_are_written_in_one_piece(text: str, item_id: str) -> None:
    found = list(records(LINE._replace(line=text, item_id=item_id)))
    assert all(len(record) <= RECORD_BYTES for record in found)
    lines = cut(b"".join(found), [])
    assert all(is_marked for is_marked, _ in lines)
    decoded = [printed.decode(line) for _, line in lines]
    assert "".join(each.line for each in decoded if each is not None) == text


def test_escapes_do_not_make_a_record_too_long() -> None:
    found = list(records(LINE._replace(line="\x00" * 3000)))
    assert len(found) > 1
    assert all(len(record) <= RECORD_BYTES for record in found)


def test_the_end_of_a_very_long_line_is_left_out() -> None:
    found = b"".join(records(LINE._replace(line="x" * 1_000_000)))
    assert len(found) < LONGEST_LINE_CHARS + 2000
    assert "of 1000000 characters" in found.decode()


def test_what_has_no_utf8_form_stays_json() -> None:
    assert json.loads(LINE._replace(line="half \ud83d").encode())["line"] == "half \ud83d"


lines = st.binary(max_size=30).map(lambda data: data.replace(b"\n", b"").replace(MARK, b""))


@given(st.lists(st.tuples(st.booleans(), lines), max_size=8), st.lists(st.integers(0, 999), max_size=5))
def test_lines_are_told_apart_however_they_arrive(written: list[tuple[bool, bytes]], at: list[int]) -> None:
    data = b"".join((MARK if is_marked else b"") + line + b"\n" for is_marked, line in written)
    assert cut(data, at) == written


def test_a_record_may_follow_a_line_that_was_only_begun() -> None:
    assert cut(b"begun" + MARK + b"{}\nlast", []) == [(False, b"begun"), (True, b"{}"), (False, b"last")]


def test_a_line_without_an_end_does_not_pile_up() -> None:
    splitter = Splitter()
    found = [line for _ in range(100) for _, line in splitter.feed(b"x" * 1000)]
    assert sum(map(len, found)) > 90_000


def test_what_is_no_line_of_ours_is_not_decoded() -> None:
    for data in (b"", b"{}", b"[]", b'{"time": "x"}', b"\xff", b"[" * 100_000):
        assert printed.decode(data) is None


@given(st.lists(st.floats(0, 3), max_size=60))
def test_an_allowance_lets_through_its_rate_and_a_burst(pauses_s: list[float]) -> None:
    allowance, now_s, passed = Allowance(2.0, 5.0), 100.0, 0
    for pause_s in pauses_s:
        now_s += pause_s
        passed += allowance.take(now_s)
    assert passed <= 5 + 2 * sum(pauses_s) + 1e-6
    assert passed + allowance.refused == len(pauses_s)


def test_what_was_refused_is_told_once_a_second() -> None:
    allowance = Allowance(1.0, 1.0)
    assert [allowance.take(10.0) for _ in range(4)] == [True, False, False, False]
    assert allowance.tell_refused(10.0) == 3
    allowance.take(10.1)
    assert allowance.tell_refused(10.5) == 0
    assert allowance.tell_refused(11.5) == 1
    assert allowance.tell_refused(20.0) == 0
