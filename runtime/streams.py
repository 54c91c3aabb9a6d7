"""Streams and consumers as data: what is wanted, what there is, and the JSON between. Pure.

Only fields that differ from the server's defaults are sent: a strict server refuses what it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from runtime.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerSpec:
    """A durable pull consumer."""

    name: str
    ack_wait_s: float = 30.0
    max_ack_pending: int = -1
    """Messages delivered and not acknowledged; -1 is without a bound."""
    filter_subject: str = ""
    acknowledge: Literal["explicit", "none"] = "explicit"
    max_deliver: int = -1

    def to_config(self) -> dict[str, Any]:
        """As the server reads it."""
        config: dict[str, Any] = {
            "durable_name": self.name,
            "ack_policy": self.acknowledge,
            "deliver_policy": "all",
            "max_deliver": self.max_deliver,
        }
        if self.acknowledge == "explicit":
            config["ack_wait"] = int(self.ack_wait_s * 1e9)
            config["max_ack_pending"] = self.max_ack_pending
        if self.filter_subject:
            config["filter_subject"] = self.filter_subject
        return config


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSpec:
    """A stream as it should be; -1 and 0 leave a bound away."""

    name: str
    subjects: tuple[str, ...]
    retention: Literal["limits", "work_queue"] = "limits"
    max_bytes: int = -1
    max_messages: int = -1
    max_age_s: float = 0.0
    max_per_subject: int = -1
    max_message_bytes: int = -1
    discard: Literal["new", "old"] = "new"
    republish: tuple[str, str] | None = None
    """(source, destination): what is stored is published again, with its sequence in the headers."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Given when the stream is created; of one that exists, its own values are kept."""
    duplicate_window_s: float = 120.0
    allow_direct: bool = True
    allow_rollup: bool = False
    storage: Literal["file", "memory"] = "file"
    replicas: int = 1
    placement_tags: tuple[str, ...] = ()
    consumers: tuple[ConsumerSpec, ...] = ()
    """Made with it: a work queue without its consumer would take messages nobody is to read."""

    def __post_init__(self) -> None:
        if not self.name or any(c in " .*>/\\\t\r\n" for c in self.name):
            raise UsageError(f"stream name {self.name!r} must not be empty or hold spaces, dots or wildcards")

    def to_config(self) -> dict[str, Any]:
        """As the server reads it."""
        window_s = min(self.duplicate_window_s, self.max_age_s or self.duplicate_window_s)
        config: dict[str, Any] = {
            "name": self.name,
            "subjects": list(self.subjects),
            "retention": "workqueue" if self.retention == "work_queue" else "limits",
            "max_bytes": self.max_bytes,
            "max_msgs": self.max_messages,
            "max_age": int(self.max_age_s * 1e9),
            "max_msgs_per_subject": self.max_per_subject,
            "max_msg_size": self.max_message_bytes,
            "max_consumers": -1,
            "discard": self.discard,
            "duplicate_window": int(window_s * 1e9),
            "allow_direct": self.allow_direct,
            "allow_rollup_hdrs": self.allow_rollup,
            "storage": self.storage,
            "num_replicas": self.replicas,
            "metadata": dict(self.metadata),
        }
        if self.republish is not None:
            config["republish"] = {"src": self.republish[0], "dest": self.republish[1]}
        if self.placement_tags:
            config["placement"] = {"tags": list(self.placement_tags)}
        return config


def changes(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """The configuration to update to, or None when nothing differs.

    The server reports defaults by leaving fields out, adds metadata of its own, and keeps what we do not name.
    Metadata that exists wins over ours: a run's name drawn once must survive every later start.
    """
    merged = {**present, **wanted}
    merged["metadata"] = {**wanted.get("metadata", {}), **present.get("metadata", {})}
    for name, value in merged.items():
        if present.get(name, _default(value)) != value:
            return merged
    return None


def _default(value: object) -> object:
    return type(value)() if not isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class StreamState:
    """A stream as it is."""

    name: str
    first_sequence: int
    last_sequence: int
    messages: int
    bytes: int
    consumers: int
    metadata: Mapping[str, str]
    created_s: float
    config: Mapping[str, Any]

    @classmethod
    def read(cls, info: Mapping[str, Any]) -> StreamState:
        """From the server's answer."""
        config, state = info["config"], info["state"]
        return cls(
            name=config["name"],
            first_sequence=state.get("first_seq", 0),
            last_sequence=state.get("last_seq", 0),
            messages=state.get("messages", 0),
            bytes=state.get("bytes", 0),
            consumers=state.get("consumer_count", 0),
            metadata=config.get("metadata") or {},
            created_s=parse_time_s(info["created"]),
            config=config,
        )


@dataclass(frozen=True, slots=True)
class ConsumerState:
    """A consumer as it is."""

    name: str
    ack_floor_stream_sequence: int
    """Everything up to here is acknowledged."""
    delivered_stream_sequence: int
    num_pending: int
    """Messages not delivered yet."""
    num_ack_pending: int
    """Messages delivered and not acknowledged."""
    created_s: float

    @classmethod
    def read(cls, info: Mapping[str, Any]) -> ConsumerState:
        """From the server's answer."""
        return cls(
            name=info["name"],
            ack_floor_stream_sequence=info["ack_floor"].get("stream_seq", 0),
            delivered_stream_sequence=info["delivered"].get("stream_seq", 0),
            num_pending=info.get("num_pending", 0),
            num_ack_pending=info.get("num_ack_pending", 0),
            created_s=parse_time_s(info["created"]),
        )


def parse_time_s(text: str) -> float:
    """The server's time of day (RFC 3339) as seconds since the epoch, to the microsecond."""
    return datetime.fromisoformat(text).timestamp()
