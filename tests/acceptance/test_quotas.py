"""Nodes that differ for real: HEFT leaves heavy tasks to the fast one, and foretells what happens.

The second is a measurement, `pytest -m figures`: on a busy machine nodes do not get their shares.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.acceptance import quotas

pytestmark = pytest.mark.cgroups

CONFIG = """
node_map: {home: here, node1: here, node2: here}
application:
  codec: json
  tasks:
    home: {children: [start]}
    dag_tasks:
      - {name: start, base_script: light.py, children: [left, right], sample_input: one.json}
      - {name: left, base_script: heavy.py, children: [meet]}
      - {name: right, base_script: heavy.py, children: [meet]}
      - {name: meet, base_script: meet.py, children: [home]}
"""
HEAVY = "def process(item, ctx):\n    return sum(number & 3 for number in range(1_000_000))\n"
FAST, SLOW = 0.2, 0.05
ATTEMPTS = 4
"""A neighbour that takes the processor away lengthens one run, not all of them."""


def write(into: Path) -> Path:
    folder = into / "heavy"
    folder.mkdir(parents=True)
    (folder / "app_config.yaml").write_text(CONFIG)
    (folder / "light.py").write_text("def process(item, ctx):\n    return item\n")
    (folder / "heavy.py").write_text(HEAVY)
    (folder / "meet.py").write_text("def process(parts, ctx):\n    return sum(parts.values())\n")
    (folder / "one.json").write_text("1\n")
    return folder


BOTH_WAYS = [("node1", "node2"), ("node2", "node1")]


def test_heavy_tasks_go_to_the_fast_node(tmp_path: Path) -> None:
    """Either may be the fast one. Both runs at once: the nodes have half a processor, all together."""
    quotas.skip_without_cgroups()
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(makespan_ratio, tmp_path / fast, fast, slow) for fast, slow in BOTH_WAYS]
    assert all(run.result() > 0 for run in runs)


@pytest.mark.figures
@pytest.mark.parametrize(("fast", "slow"), BOTH_WAYS)
def test_the_makespan_is_foretold(tmp_path: Path, fast: str, slow: str) -> None:
    quotas.skip_without_cgroups()
    ratios = []
    for attempt in range(ATTEMPTS):
        ratios.append(makespan_ratio(tmp_path / f"{attempt}", fast, slow))
        if 0.7 <= ratios[-1] <= 1.3:
            return
    pytest.fail(f"measured / predicted makespan: {ratios}")


def makespan_ratio(folder: Path, fast: str, slow: str) -> float:
    """Measured over predicted, of one item whose heavy tasks were left to the fast node."""
    report = quotas.run(write(folder), {fast: FAST, slow: SLOW}, "--once")
    assert (report["mapping"]["left"], report["mapping"]["right"]) == (fast, fast)
    ratio: float = report["measured"]["makespan_s"] / report["predicted"]["makespan_s"]
    return ratio
