"""A minute of faults in every plain run of the tests: direct and queued edges, every kind of join, failing inputs."""

from __future__ import annotations

from pathlib import Path

from tests.faults.verifying import verify

FAULTS = "kill-worker,worker-before-send,worker-after-send,worker-after-report,kill-gateway,kill-server,cut,move,poison"


def test_every_input_ends_once_in_a_minute_of_faults(tmp_path: Path) -> None:
    kinds = FAULTS.split(",")
    options = ("--queued", "split,fan", "--faults", FAULTS, "--rounds", f"{2 * len(kinds)}", "--items-per-s", "40")
    outcome = verify(tmp_path, *options, seconds=120.0, seed=11)
    assert outcome.breaches == {}, outcome.said
    assert outcome.status == 0, outcome.said
