"""Everything there is, broken under load, by schedules with fixed seeds: nothing is lost, doubled or invented.

A sample of a minute or so. A long one: `jupiter verify tests/faults/torture --seconds 1800 --seed N`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.verify_plan import KINDS
from tests.faults.verifying import QUEUED, WINDOWS, verify

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]

SEED = 11

TOO_LONG = {"cut-off", "stop-gateway", "stop-agent", "stop-server", "half-open", "lost-requests", "two-at-once"}
"""For a sample: each takes ten seconds or more."""


QUEUE_FAULTS = "kill-worker,worker-after-send,worker-after-report,stop-worker,kill-gateway,kill-server,cut,move,poison"
"""What a head in a worker makes different."""


def test_every_input_ends_once_with_queues_on_the_way(tmp_path: Path) -> None:
    kinds = QUEUE_FAULTS.split(",")
    options = ("--faults", QUEUE_FAULTS, "--rounds", str(2 * len(kinds)), "--items-per-s", "40")
    outcome = verify(tmp_path, *options, seconds=200.0, seed=SEED, patches="short_keep", app=QUEUED)
    assert outcome.breaches == {}, outcome.said
    assert outcome.status == 0, outcome.said
    assert {each["fault"] for each in outcome.report["faults"] if each["times"]} == {*kinds, "none"}, outcome.said


def test_every_input_ends_once_through_a_gather(tmp_path: Path) -> None:
    faults = "kill-worker,worker-after-send,worker-after-report,kill-gateway,kill-server,move"
    options = ("--faults", faults, "--rounds", "12", "--items-per-s", "40")
    outcome = verify(tmp_path, *options, seconds=120.0, seed=SEED, app=WINDOWS)
    assert outcome.breaches == {}, outcome.said
    assert outcome.status == 0, outcome.said


def test_every_input_ends_once_whatever_is_broken(tmp_path: Path) -> None:
    kinds = [kind.name for kind in KINDS if kind.name not in TOO_LONG]
    options = ("--faults", ",".join(kinds), "--rounds", str(len(kinds)), "--items-per-s", "40")
    outcome = verify(tmp_path, *options, seconds=300.0, seed=SEED, patches="short_keep")
    assert outcome.breaches == {}, outcome.said
    assert outcome.status == 0, outcome.said
    assert {each["fault"] for each in outcome.report["faults"] if each["times"]} == {*kinds, "none"}, outcome.said


def test_every_input_ends_once_when_user_code_fails_now_and_then(tmp_path: Path) -> None:
    faults = "kill-worker,worker-before-send,worker-after-send,worker-after-report,kill-gateway,move"
    options = ("--failing", "merge,fan,first,each", "--faults", faults, "--rounds", "12", "--items-per-s", "40")
    outcome = verify(tmp_path, *options, seconds=120.0, seed=SEED)
    assert outcome.breaches == {}, outcome.said
    assert outcome.status == 0, outcome.said
