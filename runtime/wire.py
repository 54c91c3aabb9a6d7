"""The server's half of the NATS protocol, cut into messages and control lines. Pure: bytes in, calls out.

Messages go straight to `on_message` (sid, subject, reply, header block, payload); control lines (INFO, PING,
PONG, +OK, -ERR) are returned in their order. The result does not depend on how the bytes were split.
"""

from __future__ import annotations

from collections.abc import Callable

MAX_LINE_BYTES = 4 << 20
"""An INFO line lists a cluster's servers; anything longer than this is not NATS."""

OnMessage = Callable[[int, bytes, bytes, bytes, bytes], None]


class WireError(ValueError):
    """What came is not the NATS protocol."""


class WireParser:
    """Feed it what the socket gives."""

    __slots__ = ("_have_bytes", "_need_bytes", "_on_message", "_parts")

    def __init__(self, on_message: OnMessage) -> None:
        self._on_message = on_message
        self._parts: list[bytes] = []
        self._have_bytes = 0
        self._need_bytes = 0

    def reset(self) -> None:
        """Forget a half message: the connection it came on is gone."""
        self._parts = []
        self._have_bytes = self._need_bytes = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes; returns the control lines among them."""
        if self._parts:
            # A large payload comes in many pieces: they are joined once, when all of it is here.
            self._parts.append(data)
            self._have_bytes += len(data)
            if self._have_bytes < self._need_bytes:
                return []
            data = b"".join(self._parts)
            self._parts = []
        control: list[bytes] = []
        position = 0
        while (end := data.find(b"\r\n", position)) >= 0:
            line = data[position:end]
            if line.startswith((b"MSG ", b"HMSG ")):
                stop = self._message(line, data, end + 2)
                if stop > len(data):
                    self._keep(data[position:], stop - position)
                    return control
                position = stop
            else:
                control.append(line)
                position = end + 2
        if position < len(data):
            self._keep(data[position:], len(data) - position + 1)
            if self._have_bytes > MAX_LINE_BYTES:
                raise WireError(f"a control line of more than {MAX_LINE_BYTES} bytes")
        return control

    def _message(self, line: bytes, data: bytes, start: int) -> int:
        """Hand over the message whose payload begins at `start`, if it is complete; returns where it ends."""
        try:
            fields = line.split()
            total = int(fields[-1])
            stop = start + total + 2
            if stop > len(data):
                return stop
            if line[0] == 77:  # M
                block_end = start
                reply = fields[3] if len(fields) == 5 else b""
            else:
                block_end = start + int(fields[-2])
                reply = fields[3] if len(fields) == 6 else b""
            sid = int(fields[2])
        except (ValueError, IndexError) as exc:
            raise WireError(f"malformed message line {line[:100]!r}") from exc
        self._on_message(sid, fields[1], reply, data[start:block_end], data[block_end : stop - 2])
        return stop

    def _keep(self, rest: bytes, need_bytes: int) -> None:
        self._parts = [rest]
        self._have_bytes = len(rest)
        self._need_bytes = need_bytes
