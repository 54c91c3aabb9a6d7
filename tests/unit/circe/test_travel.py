"""What cannot travel in one message is told before it is on its way."""

from __future__ import annotations

import pytest

from circe.credit import WINDOW
from circe.outbox import FRAME_BYTES, Outbox
from circe.travel import MOST_HEADER_BYTES, MOST_HEADERS, ROOM_BYTES, header_fault, limit_bytes
from runtime.frames import encode_frame
from runtime.item import Part
from runtime.message import encode_headers


@pytest.mark.parametrize("headers", [None, {}, {"Trace": "a b: c"}, {"": ""}, {"X" * 100: "y" * 10_000}])
def test_usual_headers_travel(headers: dict[str, str] | None) -> None:
    assert header_fault(headers) == ""
    assert encode_headers(headers or {})


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"A": "b\nc"}, "line break"),
        ({"A": "b\rc"}, "line break"),
        ({"A\nB": "c"}, "line break"),
        ({str(number): "" for number in range(MOST_HEADERS + 1)}, "129 headers"),
        ({"A": "b" * MOST_HEADER_BYTES}, "bytes of headers"),
    ],
)
def test_headers_that_would_break_a_message_do_not(headers: dict[str, str], words: str) -> None:
    assert words in header_fault(headers)


def test_frames_stay_below_what_a_server_takes_whatever_their_items_hold() -> None:
    max_payload_bytes = 1 << 20
    outbox = Outbox("s" * 100, "source", WINDOW)
    outbox.follow({"t": ("t-1",)})
    headers = {"X": "y" * (MOST_HEADER_BYTES - 10)}
    largest = bytes(limit_bytes(max_payload_bytes))
    payloads = [b"small", largest, b"", bytes(FRAME_BYTES - 1), largest, *([b"v"] * 100)]
    for root, payload in enumerate(payloads):
        outbox.put("t", "head", Part(root, 1, (1 << 64) - 1, "i" * 600, payload, headers=headers))
    sent = []
    while frames := outbox.flush():
        for each in frames:
            assert len(encode_frame(each.frame)) <= max_payload_bytes
            sent += [part.root for part in each.frame.parts]
            outbox.grant("t-1", WINDOW._replace(parts=10_000, size_bytes=1 << 40))
    assert sent == list(range(len(payloads)))
    assert ROOM_BYTES > MOST_HEADER_BYTES
