"""`jupiter run` of an application whose items wait in a queue between two tasks."""

from __future__ import annotations

import json
from pathlib import Path

from tests.acceptance.command import Place, application

TASKS = """
    - {name: cut, base_script: cut.py, children: [weigh], input_codec: text}
    - {name: weigh, base_script: weigh.py, children: [home], edge: queued}
"""
CUT = "def process(line, ctx):\n    yield line\n    yield line.upper()\n"
WEIGH = "import time\n\n\ndef process(item, ctx):\n    time.sleep(0.002)\n    return item\n"
LINES = 400


def test_the_run_ends_when_the_queue_is_empty_and_the_results_are_in_order(place: Place) -> None:
    app = application(place.folder / "weighing", TASKS, before="codec: json", cut=CUT, weigh=WEIGH)
    (place.folder / "in.txt").write_text("".join(f"line {number}\n" for number in range(LINES)))
    places = place.folder / "mapping.json"
    places.write_text(json.dumps({"cut": "home", "weigh": "node1"}))
    options = ("--mapping", places, "--input", "in.txt", "--output", "out.jsonl", "--report", "report.json")
    ran = place.run("run", app, "--nodes", "2", *options)
    assert ran.returncode == 0, ran.stderr
    found = [json.loads(line) for line in (place.folder / "out.jsonl").read_text().splitlines()]
    assert [each["seq"] for each in found] == [number for number in range(1, LINES + 1) for _ in range(2)]
    values = {f"line {number}" for number in range(LINES)}
    assert {each["value"] for each in found} == values | {value.upper() for value in values}
    report = json.loads(Path(place.folder / "report.json").read_text())
    assert (report["items"]["ended"], report["items"]["results"], report["items"]["unfinished"]) == (
        LINES,
        2 * LINES,
        0,
    )
    assert place.processes() == []
