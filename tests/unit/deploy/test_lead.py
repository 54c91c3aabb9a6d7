"""Reading ahead follows the pace of what ends."""

from __future__ import annotations

import pytest

from deploy.lead import AHEAD_S, AT_LEAST, Lead

LOOK_S = 0.1


def run(lead: Lead, looks: int, per_s: float, start: int = 0, at: int = 0) -> None:
    for look in range(1, looks + 1):
        lead.look(start + int(per_s * LOOK_S * look), (at + look) * LOOK_S)


def test_it_begins_small() -> None:
    assert Lead(0.0).items == AT_LEAST


@pytest.mark.parametrize("per_s", [1_000, 20_000])
def test_it_settles_at_a_second_or_two_of_the_pace(per_s: int) -> None:
    lead = Lead(0.0)
    run(lead, 40, per_s)
    assert lead.items == pytest.approx(per_s * AHEAD_S, rel=0.05)


def test_a_slow_pipeline_is_not_flooded() -> None:
    lead = Lead(0.0)
    run(lead, 50, 10)
    assert lead.items == AT_LEAST


def test_one_burst_is_no_pace() -> None:
    lead = Lead(0.0)
    run(lead, 40, 1_000)
    lead.look(4_000 + 2_000, 4.1)
    assert lead.items < 1_000 * AHEAD_S * 5


def test_a_pause_does_not_begin_from_nothing() -> None:
    lead = Lead(0.0)
    run(lead, 40, 1_000)
    run(lead, 5, 0, start=4_000, at=40)
    assert lead.items > 1_000


def test_it_grows_while_it_is_what_limits() -> None:
    """The pipeline finishes all it is given between two looks: in a second the lead must not limit it any more."""
    lead, ended = Lead(0.0), 0
    for look in range(1, 11):
        ended += min(lead.items, 2_000)
        lead.look(ended, look * LOOK_S)
    assert lead.items > 10_000


def test_two_looks_at_one_moment_change_nothing() -> None:
    lead = Lead(5.0)
    lead.look(1_000, 5.0)
    assert lead.items == AT_LEAST
