"""A join whose one branch lags by more than the join may keep in memory: all comes out, and memory stays bounded."""

from __future__ import annotations

from pathlib import Path

from runtime import subjects
from tests.acceptance.command import application
from tests.integration.cluster import Results, cluster, worker_processes
from tests.integration.memory import peak_bytes, slow_consumers

INPUTS, EACH, PART_BYTES = 60, 10, 200_000
MEBI = 1 << 20
BUDGET_BYTES = 8 * MEBI


async def test_a_branch_that_lags_costs_disk_and_not_memory(tmp_path: Path) -> None:
    folder = application(
        tmp_path / "lag",
        """
        - {name: fork, base_script: fork.py, children: [grow, lag]}
        - {name: grow, base_script: grow.py, children: [meet]}
        - {name: lag, base_script: lag.py, children: [meet]}
        - {name: meet, base_script: meet.py, children: [home]}
        """,
        before=f"codec: text\nlimits: {{join_bytes: {BUDGET_BYTES}}}",
        fork=f"def process(item, ctx):\n    for number in range({EACH}):\n        yield f'{{item}} {{number}}'\n",
        grow=f"def process(item, ctx):\n    return item.ljust({PART_BYTES})\n",
        lag="import time\n\ndef process(item, ctx):\n    time.sleep(0.003)\n    return item\n",
        meet=f"def process(parts, ctx):\n    assert len(parts['grow']) == {PART_BYTES}\n"
        "    assert parts['grow'].split() == parts['lag'].split()\n    return parts['lag']\n",
    )  # fmt: skip
    async with cluster(("home",)) as running:
        app = await running.submit(folder)
        await running.map(app, dict.fromkeys(app.graph.tasks, "home"))
        results = Results()
        await running.bus.subscribe(subjects.egress(app.name), results.take)
        (meet,) = worker_processes("meet", running.server.url)
        before = peak_bytes(meet)
        await running.send(app, [f"input {number}".encode() for number in range(INPUTS)])
        await results.wait_for(INPUTS * EACH)
        used = peak_bytes(meet) - before
        values = sorted(payload for payloads in results.values.values() for payload in payloads)
        assert values == sorted(f"input {i} {k}".encode() for i in range(INPUTS) for k in range(EACH))
        print(f"{INPUTS * EACH * PART_BYTES / MEBI:.0f} MiB met in {used / MEBI:.0f} MiB of memory")
        # What the join keeps, and what is under way to it: a window of credit, and that once more while it is read.
        assert used < BUDGET_BYTES + 2 * 16 * MEBI
        assert slow_consumers(running.server) == 0
