"""What can go wrong on the bus, typed by what the caller should do next.

*Unknown* (`RequestTimeout`, `StoreTimeout`): it may or may not have happened; do it again with the same id.
*Refused* (`StoreRefused`, `ApiError`): the server said no, and why. *Not there* (`NoResponders`): try later.
"""

from __future__ import annotations

from runtime.errors import TransportError, UsageError

WRONG_LAST_SEQUENCE = 10071
STREAM_FULL = frozenset({10077, 10023, 10028, 10047})
"""Maximum messages or bytes of the stream reached; resources, memory or storage of the server exceeded."""
NOT_READY = frozenset({10008, 10009, 10076})
"""JetStream is starting, or has no leader right now: the same call works later."""
STREAM_NOT_FOUND = 10059
CONSUMER_NOT_FOUND = 10014
MESSAGE_NOT_FOUND = 10037
STREAM_NAME_IN_USE = 10058


class BusFault(TransportError):  # noqa: N818 - the root of facts that have NATS's own names
    """Root of what the bus raises, but for a first connection that fails and calls that are wrong as written."""


class BusClosed(BusFault):
    """The bus was closed: nothing more is sent, and everything that waited was woken by this."""


class PayloadSizeError(UsageError):
    """The server would close the connection on a message of this size."""


class WriteBufferFull(BusFault):
    """The connection is down or slow and the write buffer is at its bound: nothing was sent."""


class NoResponders(BusFault):
    """Nobody serves the subject right now."""


class NotPermitted(BusFault):
    """The server lets our user say no such thing; trying again is of no use."""


class RequestTimeout(BusFault, TimeoutError):  # noqa: N818 - the pair of StoreTimeout
    """No answer in time: what was asked may or may not have happened."""


class StoreTimeout(RequestTimeout):
    """No acknowledgement in time: the message may or may not be stored; store it again with the same id."""


class ConnectionLost(StoreTimeout):
    """The connection ended before the answer came: what was asked may or may not have happened."""


class StoreRefused(BusFault):
    """The stream did not store the message; `code` is the server's error code."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(f"the stream refused the message: {description} (error {code})")
        self.code = code
        self.description = description


class WrongLastSequence(StoreRefused):
    """The subject's last message is not the one expected: after an expected 0, it holds one already."""


class StreamFull(StoreRefused):
    """The stream is at its bound: store again, with the same id, when it has drained."""


class ApiError(BusFault):
    """JetStream's answer to a management request was an error."""

    def __init__(self, what: str, code: int, description: str) -> None:
        super().__init__(f"{what}: {description} (error {code})")
        self.code = code
        self.description = description


def refusal(code: int, description: str) -> StoreRefused:
    """The typed error for an error acknowledgement."""
    if code == WRONG_LAST_SEQUENCE:
        return WrongLastSequence(code, description)
    if code in STREAM_FULL:
        return StreamFull(code, description)
    return StoreRefused(code, description)
