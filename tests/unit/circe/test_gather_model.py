"""Every item of a gather is in exactly one stored group, or a dead letter, whatever dies when."""

from __future__ import annotations

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.graph import Gather
from tests.unit.circe.gather_world import Faults, World

EXAMPLES = int(os.environ.get("JUPITER_MODEL_EXAMPLES", "150"))
"""More walks: JUPITER_MODEL_EXAMPLES=20000 pytest tests/unit/circe/test_gather_model.py"""

rules = st.builds(Gather, count=st.sampled_from([None, 1, 2, 3]), within_s=st.sampled_from([0.1, 5.0, 1000.0]))
budgets = st.builds(
    Faults,
    crash=st.integers(0, 8),
    zombies=st.booleans(),
    lose=st.integers(0, 4),
    repeat=st.integers(0, 4),
    reconnect=st.integers(0, 3),
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0), rules, budgets, st.booleans())
def test_every_item_is_in_one_group(seed: int, rule: Gather, faults: Faults, sorts: bool) -> None:
    World(seed, rule, faults, sorts=sorts).walk()
