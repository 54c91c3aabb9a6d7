"""The protocol parser gives the same messages however the bytes are split."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.message import encode_headers
from runtime.wire import MAX_LINE_BYTES, WireError, WireParser

Heard = tuple[int, bytes, bytes, bytes, bytes]

BLOCK = encode_headers({"Key": "value"})
STREAM = (
    b'INFO {"server_id":"x"}\r\n'
    b"MSG a.b 1 5\r\nhe\r\nl\r\n"
    b"PING\r\n"
    b"MSG a.b 22 reply.to 0\r\n\r\n"
    b"HMSG c 3 back %d %d\r\n%sMSG x 1 1\r\n\r\n"
    % (len(BLOCK), len(BLOCK) + 11, BLOCK)
    + b"HMSG d 4 16 16\r\nNATS/1.0 503\r\n\r\n\r\n"
    + b"+OK\r\nPONG\r\n-ERR 'Permissions Violation'\r\n"
)
MESSAGES: list[Heard] = [
    (1, b"a.b", b"", b"", b"he\r\nl"),
    (22, b"a.b", b"reply.to", b"", b""),
    (3, b"c", b"back", BLOCK, b"MSG x 1 1\r\n"),
    (4, b"d", b"", b"NATS/1.0 503\r\n\r\n", b""),
]
CONTROL = [b'INFO {"server_id":"x"}', b"PING", b"+OK", b"PONG", b"-ERR 'Permissions Violation'"]


def parse(pieces: list[bytes]) -> tuple[list[Heard], list[bytes]]:
    heard: list[Heard] = []
    parser = WireParser(lambda *message: heard.append(message))
    control = [line for piece in pieces for line in parser.feed(piece)]
    return heard, control


def test_whole() -> None:
    assert parse([STREAM]) == (MESSAGES, CONTROL)


def test_byte_by_byte() -> None:
    assert parse([STREAM[k : k + 1] for k in range(len(STREAM))]) == (MESSAGES, CONTROL)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_split(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    assert parse([STREAM[a:b] for a, b in pairwise(edges)]) == (MESSAGES, CONTROL)


def test_a_large_payload_in_many_pieces_is_joined_once() -> None:
    payload = bytes(range(256)) * 8192
    wire = b"MSG a 1 %d\r\n%s\r\nPING\r\n" % (len(payload), payload)
    pieces = [wire[k : k + 4096] for k in range(0, len(wire), 4096)]
    assert parse(pieces) == ([(1, b"a", b"", b"", payload)], [b"PING"])


def test_reset_forgets_half_a_message() -> None:
    heard: list[Heard] = []
    parser = WireParser(lambda *message: heard.append(message))
    parser.feed(b"MSG a 1 10\r\nhalf")
    parser.reset()
    assert parser.feed(b"PONG\r\nMSG b 2 1\r\nx\r\n") == [b"PONG"]
    assert heard == [(2, b"b", b"", b"", b"x")]


@pytest.mark.parametrize("bad", [b"MSG a one 5\r\nhello\r\n", b"MSG 5\r\nhello\r\n", b"HMSG a 1 x 5\r\nhello\r\n"])
def test_nonsense_is_an_error(bad: bytes) -> None:
    with pytest.raises(WireError):
        parse([bad])


def test_an_endless_line_is_an_error() -> None:
    with pytest.raises(WireError):
        parse([b"x" * (MAX_LINE_BYTES + 1)])
