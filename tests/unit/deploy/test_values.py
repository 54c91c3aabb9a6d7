"""Every value has a line that any JSON reader reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deploy import values
from runtime.codec import CODECS


@pytest.mark.parametrize(
    ("codec", "payload", "value"),
    [
        ("json", b'{"a":[1,2.5,null]}', {"a": [1, 2.5, None]}),
        ("json", '"grün"'.encode(), "grün"),
        ("text", b"zwei\nZeilen", "zwei\nZeilen"),
        ("bytes", b"plain", "plain"),
        ("bytes", b"\xff\x00", {"base64": "/wA="}),
        ("msgpack", CODECS["msgpack"].encode({"raw": b"\xff", "n": 1}), {"raw": {"base64": "/w=="}, "n": 1}),
        ("json", b"not json", "not json"),
        ("json", b"\xff", {"base64": "/w=="}),
        ("msgpack", CODECS["msgpack"].encode({(1, 2): 3}), None),
        ("json", b'"\\ud800"', "\ud800"),
    ],
)
def test_a_value_as_json(codec: str, payload: bytes, value: Any) -> None:
    read = json.loads(values.text(payload, CODECS[codec].decode))
    if value is None:  # a value that JSON has no form for: its bytes are there
        assert set(read) == {"base64"}
    else:
        assert read == value


def test_a_line_of_output() -> None:
    line = values.line("run-~id", 3, "end", '{"a":1}')
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert json.loads(line) == {"id": "run-~id", "seq": 3, "task": "end", "value": {"a": 1}}
    assert json.loads(values.line("x", None, "end", "1"))["seq"] is None
