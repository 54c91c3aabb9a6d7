"""The suite proves itself: with one rule of the protocol broken, it reports just that."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.verifying import Outcome, verify

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]


def broken(
    folder: Path,
    patch: str,
    fault: str,
    rounds: int,
    *options: str,
    patience_s: float = 2.0,
    seed: int = 1,
    also: str = "",
) -> Outcome:
    """A verification of components that are broken once the faults begin; `also` is a patch from the start."""
    payloads = folder / "lines.txt"
    payloads.write_text("plain item 1\nplain item 2\ndrop left 1\ndrop right 1\n")
    begin = folder / "begin"
    options += ("--faults", fault, "--rounds", str(rounds), "--input", str(payloads), "--patience", str(patience_s))
    patches = ",".join(filter(None, (f"{patch}@{begin}", also)))
    outcome = verify(folder, *options, seconds=60.0, seed=seed, patches=patches, begin=begin)
    assert outcome.status == 1, outcome.said
    assert not outcome.report["is_clean"]
    return outcome


def test_inputs_acknowledged_before_the_end_of_their_lineage_are_lost(tmp_path: Path) -> None:
    outcome = broken(tmp_path, "early_ack", "worker-before-send", 3)
    assert set(outcome.breaches) == {"lost"}, outcome.said
    assert "lost: v1-" in outcome.said


def test_an_egress_that_takes_an_id_again_doubles_results(tmp_path: Path) -> None:
    outcome = broken(tmp_path, "no_dedup", "worker-after-report", 2)
    assert set(outcome.breaches) == {"doubled"}, outcome.said
    assert "was stored twice" in outcome.said


def test_a_lost_frame_that_nobody_sends_again_leaves_its_inputs_stuck(tmp_path: Path) -> None:
    outcome = broken(tmp_path, "lost_frame", "kill-mapper", 1)
    assert set(outcome.breaches) == {"stuck"}, outcome.said
    assert outcome.report["left"]["ingress"] > 0


def test_without_absences_what_is_filtered_waits_in_joins_for_ever(tmp_path: Path) -> None:
    outcome = broken(tmp_path, "no_absences", "kill-mapper", 1)
    assert set(outcome.breaches) == {"stuck"}, outcome.said
    assert outcome.report["left"]["waiting"] > 0


def test_a_worker_that_goes_on_after_it_was_replaced_doubles_results(tmp_path: Path) -> None:
    # With this seed one of two replicas is stopped, so that another has its items meanwhile.
    outcome = broken(tmp_path, "no_fence", "stop-worker", 2, patience_s=30.0, seed=20, also="no_keep")
    assert set(outcome.breaches) == {"doubled"}, outcome.said


def test_attempts_that_do_not_ask_what_others_came_to_end_items_twice(tmp_path: Path) -> None:
    failing = ("--failing", "merge,fan,first,each")
    outcome = broken(tmp_path, "no_looks", "kill-worker,worker-after-report", 6, *failing, patience_s=30.0)
    assert set(outcome.breaches) == {"ended_twice"}, outcome.said
