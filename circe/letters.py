"""Dead letters: what an item was, what went wrong with it, and how often it was tried. JSON, for people. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping


def dead_letter(
    task: str,
    item_id: str,
    sequence: int,
    inputs: bytes | Mapping[str, bytes],
    error: str,
    *,
    traceback: str = "",
    attempts: int = 1,
    node: str,
    limit_bytes: int,
) -> bytes:
    """The letter; an input that would not fit into a message is left out and said to be."""
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
    payload = json.dumps(letter, ensure_ascii=False).encode()
    if len(payload) > limit_bytes:
        letter["input"] = {"left_out": f"the input is too large for a dead letter ({len(payload)} bytes)"}
        letter["traceback"] = traceback[-limit_bytes // 8 :]
        letter["error"] = error[: limit_bytes // 8]
        payload = json.dumps(letter, ensure_ascii=False).encode()
    return payload


def _readable(inputs: bytes | Mapping[str, bytes]) -> object:
    if isinstance(inputs, bytes):
        try:
            return {"text": inputs.decode()}
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(inputs).decode()}
    return {parent: _readable(payload) for parent, payload in inputs.items()}
