"""Nodes that differ for real: HEFT leaves heavy tasks to the fast one, and foretells what happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance import quotas

pytestmark = [pytest.mark.cgroups, pytest.mark.timeout(300)]

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


@pytest.fixture(scope="module")
def heavy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    quotas.skip_without_cgroups()
    folder = tmp_path_factory.mktemp("apps") / "heavy"
    folder.mkdir()
    (folder / "app_config.yaml").write_text(CONFIG)
    (folder / "light.py").write_text("def process(item, ctx):\n    return item\n")
    (folder / "heavy.py").write_text(HEAVY)
    (folder / "meet.py").write_text("def process(parts, ctx):\n    return sum(parts.values())\n")
    (folder / "one.json").write_text("1\n")
    return folder


@pytest.mark.parametrize(("node1", "node2", "fast"), [(FAST, SLOW, "node1"), (SLOW, FAST, "node2")])
def test_heavy_tasks_go_to_the_fast_node_and_the_makespan_is_foretold(
    heavy: Path, node1: float, node2: float, fast: str
) -> None:
    ratios = []
    for _ in range(ATTEMPTS):
        report = quotas.run(heavy, {"node1": node1, "node2": node2}, "--once")
        assert (report["mapping"]["left"], report["mapping"]["right"]) == (fast, fast)
        ratios.append(report["measured"]["makespan_s"] / report["predicted"]["makespan_s"])
        if 0.7 <= ratios[-1] <= 1.3:
            break
    else:
        pytest.fail(f"measured / predicted makespan: {ratios}")
