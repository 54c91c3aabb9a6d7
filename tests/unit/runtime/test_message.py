"""Messages and their form on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.bus_errors import StoreRefused, StreamFull, WrongLastSequence, refusal
from runtime.errors import TransportError, UsageError
from runtime.message import (
    Delivery,
    Message,
    PubAck,
    encode_acknowledgement,
    encode_headers,
    encode_publish,
    parse_headers,
)

LINE = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=20)
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126, blacklist_characters=":"), min_size=1, max_size=10)


@given(st.dictionaries(NAMES, LINE.map(str.strip)))
def test_headers_come_back(headers: dict[str, str]) -> None:
    assert parse_headers(encode_headers(headers)) == headers


@pytest.mark.parametrize("name, value", [("a\r\nPUB x 0", "v"), ("a", "v\nw"), ("a", "v\rw")])
def test_a_line_break_in_a_header_is_refused(name: str, value: str) -> None:
    with pytest.raises(UsageError):
        encode_headers({name: value})


def test_published_bytes() -> None:
    assert encode_publish("a.b", b"hi") == b"PUB a.b  2\r\nhi\r\n"
    assert encode_publish("a", b"", reply="r") == b"PUB a r 0\r\n\r\n"
    block = encode_headers({"K": "v"})
    assert encode_publish("a", b"hi", block, "r") == b"HPUB a r 18 20\r\nNATS/1.0\r\nK: v\r\n\r\nhi\r\n"
    assert encode_acknowledgement("$JS.ACK.x") == b"PUB $JS.ACK.x  0\r\n\r\n"


@pytest.mark.parametrize("subject", ["", "a b", "a\tb", "a\r\nb", "a\x00b", "ü" * 3000])
def test_not_a_subject(subject: str) -> None:
    with pytest.raises(UsageError):
        encode_publish(subject, b"")


def test_a_status_is_flagged_and_a_plain_message_is_not() -> None:
    nobody = Message("inbox", b"", b"NATS/1.0 503\r\n\r\n")
    assert (nobody.status, nobody.description) == (503, "")
    expired = Message("inbox", b"", b"NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 7\r\n\r\n")
    assert (expired.status, expired.description) == (408, "Request Timeout")
    assert expired.headers == {"Nats-Pending-Messages": "7"}
    assert Message("a", b"", encode_headers({"Status": "503"})).status == 0, "only the server writes the status line"
    assert Message("a", b"").headers == {}


@pytest.mark.parametrize(
    "reply",
    [
        "$JS.ACK.stream.consumer.2.30.4.1700000000500000000.6",
        "$JS.ACK.domain.account.stream.consumer.2.30.4.1700000000500000000.6",
        "$JS.ACK.domain.account.stream.consumer.2.30.4.1700000000500000000.6.random",
    ],
)
def test_both_forms_of_acknowledgement_subjects(reply: str) -> None:
    delivery = Delivery("s", b"x", b"", reply)
    assert delivery.delivered_count == 2
    assert delivery.stream_sequence == 30
    assert delivery.consumer_sequence == 4
    assert delivery.timestamp_s == 1700000000.5
    assert delivery.pending_count == 6


def test_acknowledgements_are_read_when_asked() -> None:
    ack = PubAck(b'{"stream":"S","seq":12}')
    assert (ack.stream, ack.sequence, ack.duplicate) == ("S", 12, False)
    assert PubAck(b'{"stream":"S","seq":12,"duplicate": true}').duplicate
    assert not PubAck(b'{"stream":"\\"duplicate\\"","seq":1}').duplicate


def test_refusals_are_typed_by_what_to_do_next() -> None:
    assert isinstance(refusal(10071, "wrong last sequence: 4"), WrongLastSequence)
    assert isinstance(refusal(10077, "maximum messages exceeded"), StreamFull)
    other = refusal(10164, "unknown")
    assert type(other) is StoreRefused
    assert (other.code, other.description) == (10164, "unknown")
    assert isinstance(other, TransportError)
