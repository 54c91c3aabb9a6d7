"""`jupiter run` on an input far above what the server takes in one message."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from tests.acceptance.command import Place

BIG = Path(__file__).parents[1] / "benchmarks" / "big"
SIZE_BYTES = 20 << 20


def test_a_big_result_is_a_file_beside_the_line_that_names_it(place: Place) -> None:
    payload = os.urandom(SIZE_BYTES)
    (place.folder / "input").write_bytes(payload)
    (place.folder / "mapping.json").write_text(json.dumps(dict.fromkeys(("split", "left", "right", "merge"), "node1")))
    options = ("--nodes", "1", "--mapping", "mapping.json", "--input", "input", "--output", "out.jsonl")
    ran = place.run("run", BIG, *options)
    assert ran.returncode == 0, ran.stderr
    (line,) = (place.folder / "out.jsonl").read_text().splitlines()
    digest = hashlib.sha256(payload).hexdigest()
    found = json.loads(line)
    assert (found["seq"], found["task"]) == (1, "merge")
    assert found["value"] == {
        "file": f"out.jsonl.files/merge.{found['id']}",
        "size_bytes": SIZE_BYTES,
        "sha256": digest,
    }
    assert hashlib.sha256((place.folder / found["value"]["file"]).read_bytes()).hexdigest() == digest
    assert place.processes() == []
    assert list(place.temporary.iterdir()) == []
