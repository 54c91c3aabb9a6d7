"""What a gather is measured on."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.grouping import MOST_MEMBERS, groups
from agents.samples import SampleInput
from agents.timing import Run, summary
from runtime.graph import Gather, Task
from tests.unit.agents.test_profile_child import chain, make, profile

ITEMS = [SampleInput(f"i{n}", b"%d" % n) for n in range(5)]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (None, {"i0": b"024", "i1": b"13"}),
        (2, {"i0": b"02", "i1": b"13"}),
        (3, {"i0": b"024", "i1": b"131"}),
    ],
)
def test_groups_are_as_large_as_they_would_be(count: int | None, expected: dict[str, bytes]) -> None:
    found = groups(ITEMS, list("ababa"), count)
    assert {group.item_id: b"".join(group.members) for group in found} == expected


def test_samples_are_not_repeated_for_ever() -> None:
    (found,) = groups(ITEMS[:1], ["a"], 1_000_000)
    assert found.items == MOST_MEMBERS


def test_a_group_counts_as_its_items() -> None:
    timing = summary(Run(9.0, 9.0), [Run(2.0, 1.0, 4), Run(0.5, 0.5, 1)])
    assert (timing.median_s, timing.min_s, timing.cpu_s) == (0.5, 0.5, 0.3)


def test_a_gather_is_measured_per_item(tmp_path: Path) -> None:
    folder = make(
        tmp_path / "app",
        {
            "a": "def process(item, ctx):\n    return item",
            "g": """
                import time
                def key(item, ctx):
                    return 6 // (item - 2)  # 2 has no group
                def process(items, ctx):
                    time.sleep(0.01 * len(items))
                    return ["x" * 10] * len(items)
                """,
            "z": "def process(item, ctx):\n    return len(item)",
        },
    )
    app = chain(
        Task(name="a", script="a.py", children=("g",)),
        Task(name="g", script="g.py", children=("z",), gather=Gather(count=4)),
        Task(name="z", script="z.py", children=("home",)),
    )
    answers = profile(folder, app)
    numbers = answers["g"]
    assert numbers["failed_items"] == 1
    assert 0.01 <= numbers["median_s"] < 0.03  # of a group it is 0.04
    assert numbers["input_bytes"] == 1.0
    assert numbers["outputs"] == {"z": 0.25}
    assert numbers["output_bytes"] == {"z": 53 / 4}
    assert answers["z"]["input_bytes"] == 53.0
