"""The names of JetStream's own interface, as far as we use it: what the bus calls and `runtime.permissions` allows.

A call's name is what follows `$JS.API.`. Every argument may be a wildcard, where a permission is meant. Pure.
"""

from __future__ import annotations

from typing import Literal

API = "$JS.API."
ACCOUNT = "INFO"
"""What JetStream has and allows."""
STREAM_NAMES = "STREAM.NAMES"
"""The streams there are, or those that keep a subject."""

StreamAction = Literal["INFO", "CREATE", "UPDATE", "DELETE", "PURGE", "MSG.GET", "MSG.DELETE"]
ConsumerAction = Literal["INFO", "CREATE", "DELETE", "RESET", "MSG.NEXT"]


def of_stream(action: StreamAction, stream: str) -> str:
    """A call that manages a stream, or reads it from its leader."""
    return f"STREAM.{action}.{stream}"


def of_consumer(action: ConsumerAction, stream: str, consumer: str, filter_subject: str = "") -> str:
    """A call that manages a consumer, or pulls from it; only `CREATE` names its filter."""
    return f"CONSUMER.{action}.{stream}.{consumer}" + (f".{filter_subject}" if filter_subject else "")


def direct_get(stream: str, subject: str = "") -> str:
    """Reading a stream from any replica: the last message of one subject, or whatever the body asks for."""
    return f"DIRECT.GET.{stream}" + (f".{subject}" if subject else "")


def acknowledgements(stream: str, consumer: str) -> tuple[str, str]:
    """Where deliveries are acknowledged, in both forms that servers use."""
    return f"$JS.ACK.{stream}.{consumer}.>", f"$JS.ACK.*.*.{stream}.{consumer}.>"


def bucket_stream(bucket: str) -> str:
    """The stream behind an object bucket."""
    return f"OBJ_{bucket}"


def chunk_subject(bucket: str, nuid: str = "*") -> str:
    """The bytes of one object."""
    return f"$O.{bucket}.C.{nuid}"


def meta_subject(bucket: str, name: str = "*") -> str:
    """What an object is; `name` in the encoding of the object store."""
    return f"$O.{bucket}.M.{name}"
