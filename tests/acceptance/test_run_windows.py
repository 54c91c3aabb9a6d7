"""`jupiter run` of an application that gathers, measured and mapped like any other."""

from __future__ import annotations

import json
import shutil
from collections import Counter

from tests.acceptance.command import REPOSITORY, Place

WINDOWS = REPOSITORY / "app_specific_files" / "windows"


def test_every_reading_is_in_one_window_of_its_sensor(place: Place) -> None:
    readings = (WINDOWS / "sample_input" / "readings.txt").read_text().splitlines()
    app = shutil.copytree(WINDOWS, place.folder / "windows")
    options = ("--input", app / "sample_input" / "readings.txt", "--output", "out.jsonl")
    ran = place.run("run", app, "--nodes", "1", *options)
    assert ran.returncode == 0, ran.stderr
    found = [json.loads(line) for line in (place.folder / "out.jsonl").read_text().splitlines()]
    in_windows: Counter[str] = Counter()
    for window in (each["value"] for each in found):
        in_windows[window["sensor"]] += window["readings"]
        assert window["readings"] <= 10
    assert in_windows == Counter(reading.split()[0] for reading in readings)
    sequences = [each["seq"] for each in found]
    assert sequences == sorted(sequences)
    assert place.processes() == []
