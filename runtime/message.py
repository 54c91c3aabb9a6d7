"""What travels on the bus, and its form on the wire. Pure: no client, no clock.

Headers are parsed when somebody asks for them, and so are the numbers in an acknowledgement: most messages of
the hot path are handed on by their payload alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from runtime.errors import UsageError

MAX_CONTROL_LINE_BYTES = 4000
"""The server closes a connection whose control line passes 4,096 bytes."""

INBOXES = "_INBOX."
_NOT_IN_SUBJECT = re.compile(r"[\s\x00]")
_HEADER_LINE = b"NATS/1.0"
_NO_HEADERS: Mapping[str, str] = {}


def encode_headers(headers: Mapping[str, str]) -> bytes:
    """The header block of a message. A line break in a name or value would inject protocol: refused."""
    block = "NATS/1.0\r\n" + "".join([f"{name}: {value}\r\n" for name, value in headers.items()]) + "\r\n"
    lines = len(headers) + 2
    if block.count("\n") != lines or block.count("\r") != lines:
        raise UsageError(f"a header holds a line break: {dict(headers)!r}")
    return block.encode()


def parse_headers(block: bytes) -> Mapping[str, str]:
    """Names and values of a header block; of a repeated name the last value counts."""
    headers: dict[str, str] = {}
    for line in block.decode("utf-8", "replace").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip()] = value.strip()
    return headers


def encode_publish(subject: str, payload: bytes, headers: bytes = b"", reply: str = "") -> bytes:
    """The protocol bytes of one published message."""
    if not subject or _NOT_IN_SUBJECT.search(subject):
        raise UsageError(f"not a subject: {subject!r}")
    if headers:
        head = f"HPUB {subject} {reply} {len(headers)} {len(headers) + len(payload)}\r\n".encode()
    else:
        head = f"PUB {subject} {reply} {len(payload)}\r\n".encode()
    if len(head) > MAX_CONTROL_LINE_BYTES:
        raise UsageError(f"subject of {len(subject)} characters is too long: {subject[:80]}...")
    return b"".join((head, headers, payload, b"\r\n"))


def text(wire: bytes) -> str:
    """A subject as it came: a publisher may put any bytes there, and must not stop its readers by that."""
    return str(wire, "utf-8", "replace")


def encode_acknowledgement(reply: str) -> bytes:
    """The protocol bytes that acknowledge one delivery: an empty message means +ACK."""
    return f"PUB {reply}  0\r\n\r\n".encode()


class Message:
    """One message as it came; `status` is set on what the server says of itself (503: nobody is there)."""

    __slots__ = ("_block", "_headers", "payload", "reply", "status", "subject")

    def __init__(self, subject: str, payload: bytes, block: bytes = b"", reply: str = "") -> None:
        self.subject = subject
        self.payload = payload
        self.reply = reply
        self._block = block
        self._headers: Mapping[str, str] | None = None if block else _NO_HEADERS
        self.status = int(block[9:12]) if block[8:9] == b" " and block[9:12].isdigit() else 0

    @property
    def headers(self) -> Mapping[str, str]:
        """Header names as they were sent."""
        if self._headers is None:
            self._headers = parse_headers(self._block)
        return self._headers

    @property
    def description(self) -> str:
        """The words beside a status."""
        return self._block[12 : self._block.find(b"\r\n")].decode("utf-8", "replace").strip()

    def __repr__(self) -> str:
        status = f", status={self.status}" if self.status else ""
        return f"{type(self).__name__}({self.subject!r}, {len(self.payload)} bytes{status})"


def inbox_of(message: Message) -> str:
    """Where to answer a question. Raises ValueError when that is no inbox: our answer could be taken for a record."""
    if not message.reply.startswith(INBOXES):
        raise ValueError(f"a question whose answer would go to {message.reply[:80]!r}, which is no inbox")
    return message.reply


class Delivery(Message):
    """A message of a stream, delivered by a consumer; its reply subject acknowledges it.

    It is never a status, whatever its producer wrote in the status line.
    """

    __slots__ = ("_tokens",)

    def __init__(self, subject: str, payload: bytes, block: bytes = b"", reply: str = "") -> None:
        super().__init__(subject, payload, block, reply)
        self.status = 0
        self._tokens: list[str] | None = None

    def _token(self, index: int) -> str:
        # $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>; the newer form
        # has the domain and an account hash before the stream, and may have more behind.
        if self._tokens is None:
            tokens = self.reply.split(".")
            self._tokens = tokens[2:] if len(tokens) == 9 else tokens[4:]
        return self._tokens[index]

    @property
    def delivered_count(self) -> int:
        """1 for the first time this message is delivered."""
        return int(self._token(2))

    @property
    def stream_sequence(self) -> int:
        """Its place in the stream."""
        return int(self._token(3))

    @property
    def consumer_sequence(self) -> int:
        """Its place among this consumer's deliveries."""
        return int(self._token(4))

    @property
    def timestamp_s(self) -> float:
        """When the stream stored it, by the server's clock."""
        return int(self._token(5)) / 1e9

    @property
    def pending_count(self) -> int:
        """How many messages the consumer had still to deliver."""
        return int(self._token(6))


class PubAck:
    """The server's word that a message is stored."""

    __slots__ = ("_fields", "_payload")

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._fields: dict[str, object] | None = None

    def _get(self, name: str) -> object:
        if self._fields is None:
            self._fields = json.loads(self._payload)
        return self._fields.get(name)

    @property
    def stream(self) -> str:
        """The stream that holds it."""
        return str(self._get("stream"))

    @property
    def sequence(self) -> int:
        """Its sequence; of a duplicate, the first one's."""
        return int(str(self._get("seq")))

    @property
    def duplicate(self) -> bool:
        """Whether the stream held this message id already."""
        return b'"duplicate"' in self._payload and bool(self._get("duplicate"))

    def __repr__(self) -> str:
        return f"PubAck({self._payload!r})"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to be stored."""

    subject: str
    payload: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """The last value of a subject; `payload` is None when there is none any more."""

    subject: str
    payload: bytes | None
    sequence: int
    timestamp_s: float


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message read from a stream."""

    subject: str
    payload: bytes
    headers: Mapping[str, str]
    sequence: int
    timestamp_s: float

    def as_record(self) -> Record:
        """Without its headers."""
        return Record(self.subject, self.payload, self.sequence, self.timestamp_s)
