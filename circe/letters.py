"""Dead letters: what an item was, what went wrong with it, and how often it was tried. JSON, for people. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from runtime import subjects
from runtime.network import HOME
from runtime.reference import Payload, Reference

Inputs = Payload | Mapping[str, Payload] | Sequence[bytes]
"""A payload, one by parent, or those of a group."""


class Origin(NamedTuple):
    """The input that an item descends from, as it entered: enough to let it enter again."""

    item_id: str
    task: str | None
    """The entry task it was for; None for all of them."""
    headers: Mapping[str, str] | None
    payload: Payload
    queue: str = HOME
    """Where it entered: the ingress, or the queue of a task."""


def dead_letter(
    task: str,
    item_id: str,
    sequence: int,
    inputs: Inputs,
    error: str,
    *,
    traceback: str = "",
    attempts: int = 1,
    node: str,
    origin: Origin | None = None,
    limit_bytes: int,
) -> bytes:
    """The letter; what would not fit into a message is left out and said to be."""
    letter = {
        "id": item_id,
        "task": task,
        "input": _readable(inputs),
        "sequence": sequence,
        "error": error,
        "traceback": traceback,
        "attempts": attempts,
        "node": node,
    }
    if origin is not None:
        letter["root"] = _root(origin, inputs)
    payload = _encode(letter)
    if len(payload) > limit_bytes and "root" in letter:
        del letter["root"]
        payload = _encode(letter)
    if len(payload) > limit_bytes:
        letter["input"] = {"left_out": f"the input is too large for a dead letter ({len(payload)} bytes)"}
        letter["traceback"] = traceback[-limit_bytes // 8 :]
        letter["error"] = error[: limit_bytes // 8]
        payload = _encode(letter)
    return payload


def letter_headers(task: str, item_id: str, root: int, sequence: int) -> dict[str, str]:
    """The same failure of a later attempt of the head is the same letter; that of an input sent again is another."""
    return {
        subjects.MESSAGE_ID_HEADER: f"{task}.{root}.{item_id}",
        subjects.INPUT_HEADER: str(sequence),
    }


def _root(origin: Origin, inputs: Inputs) -> dict[str, Any]:
    root: dict[str, Any] = {"id": origin.item_id, "task": origin.task, "headers": dict(origin.headers or {})}
    if origin.queue != HOME:
        root["queue"] = origin.queue
    if origin.payload != inputs:
        root["input"] = _readable(origin.payload)
    return root


def _encode(letter: dict[str, Any]) -> bytes:
    # An error may hold half a surrogate pair, which has no UTF-8 form: as an escape it is still JSON.
    return json.dumps(letter, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _readable(inputs: Inputs) -> object:
    if isinstance(inputs, Reference):
        return inputs.to_record()
    if isinstance(inputs, bytes):
        try:
            return {"text": inputs.decode()}
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(inputs).decode()}
    if isinstance(inputs, Mapping):
        return {parent: _readable(payload) for parent, payload in inputs.items()}
    return [_readable(payload) for payload in inputs]
