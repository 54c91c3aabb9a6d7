"""What a worker holds is bounded, whatever its task gives; and a slow task slows nobody but its own inputs."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from runtime import codec, subjects
from runtime.bus_errors import StreamFull
from runtime.message import Message
from runtime.network import HOME
from runtime.records import Beat
from tests.acceptance.command import application
from tests.integration.cluster import Cluster, Results, cluster, worker_processes
from tests.integration.memory import peak_bytes, slow_consumers
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEBI = 1 << 20
BOUND_MIB = 128
"""By which a worker grows at most: what is at work, what waits, and copies of both on their way through."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Cluster]:
    async with cluster(("home",)) as made:
        yield made


async def peaks(running: Cluster, folder: Path, inputs: list[bytes], results: int) -> dict[str, float]:
    """Feed an application; by how much each of its workers has grown at most, in MiB."""
    app = await running.submit(folder)
    seen = Results()
    await running.bus.subscribe(subjects.egress(app.name), seen.take)
    await running.map(app, dict.fromkeys(app.graph.tasks, "home"))
    pids = {task: worker_processes(task, running.server.url)[0] for task in app.graph.tasks}
    before = {task: peak_bytes(pid) for task, pid in pids.items()}
    await running.send(app, inputs)
    await seen.wait_for(results)
    found = {task: (peak_bytes(pid) - before[task]) / MEBI for task, pid in pids.items()}
    print(app.name, {task: f"{grown:.0f} MiB" for task, grown in found.items()})
    assert seen.twice() == []
    assert slow_consumers(running.server) == 0
    return found


async def test_a_worker_holds_no_more_than_its_bound(running: Cluster, tmp_path: Path) -> None:
    burst = "def process(item, ctx):\n    for number in range(100):\n        yield f'{number}'.ljust(20_000)\n"
    behind = application(
        tmp_path / "behind",
        """
        - {name: burst, base_script: burst.py, children: [sink]}
        - {name: sink, base_script: sink.py, children: [home]}
        """,
        before="codec: text", burst=burst, sink="def process(item, ctx):\n    return item[:5]\n",
    )  # fmt: skip
    results = application(
        tmp_path / "results", "- {name: ending, base_script: ending.py, children: [home]}",
        before="codec: text", ending=burst,
    )  # fmt: skip
    large = application(
        tmp_path / "large",
        """
        - {name: grow, base_script: grow.py, children: [shrink]}
        - {name: shrink, base_script: shrink.py, children: [home]}
        """,
        before="codec: text", grow="def process(item, ctx):\n    return item.ljust(1 << 20)\n",
        shrink="def process(item, ctx):\n    return item[:5]\n",
    )  # fmt: skip
    grown = {
        **await peaks(running, behind, [b"x"] * 60, 60 * 100),
        **await peaks(running, results, [b"x"] * 60, 60 * 100),
        **await peaks(running, large, [b"x"] * 200, 200),
    }
    assert max(grown.values()) < BOUND_MIB, grown


async def test_an_edit_of_the_limits_holds_for_the_running_gateway(running: Cluster, tmp_path: Path) -> None:
    windows: list[float] = []

    def hear(message: Message) -> None:
        windows.append(Beat.from_record(codec.decode_record(message.payload)).rates["window"])

    await running.bus.subscribe(subjects.status("edited", HOME, "*"), hear)
    for items in (64, 8):
        folder = application(
            tmp_path / f"{items}" / "edited", "- {name: same, base_script: same.py, children: [home]}",
            before=f"codec: text\nlimits: {{in_flight_items: {items}}}",
            same="def process(item, ctx):\n    return item\n",
        )  # fmt: skip
        await running.submit(folder)
        await until(lambda items=items: windows[-1:] == [items])  # type: ignore[misc] # mypy cannot infer a lambda's default


SLOW_S = 0.05


async def test_a_slow_task_slows_its_own_inputs_and_nobody_else(running: Cluster, tmp_path: Path) -> None:
    slow = application(
        tmp_path / "slow", "- {name: slow, base_script: slow.py, children: [home]}",
        before="codec: text\nlimits: {ingress_bytes: 64KiB, in_flight_items: 16}",
        slow=f"import time\n\ndef process(item, ctx):\n    time.sleep({SLOW_S})\n    return item\n",
    )  # fmt: skip
    quick = application(
        tmp_path / "quick", "- {name: quick, base_script: quick.py, children: [home]}",
        before="codec: text", quick="def process(item, ctx):\n    return item\n",
    )  # fmt: skip
    apps = [await running.submit(folder) for folder in (slow, quick)]
    results = {app.name: Results() for app in apps}
    for app in apps:
        await running.bus.subscribe(subjects.egress(app.name), results[app.name].take)
        await running.map(app, dict.fromkeys(app.graph.tasks, "home"))
    with pytest.raises(StreamFull):
        await running.send(apps[0], [bytes([120]) * 500] * 300)  # its ingress refuses
    began_s, before = time.monotonic(), results["slow"].count
    await running.send(apps[1], [b"x"] * 2000)
    await results["quick"].wait_for(2000)
    took_s = time.monotonic() - began_s
    print(f"2,000 items beside a task that is stuck in {took_s:.1f} s, {results['slow'].count - before} of its own")
    state = await running.bus.stream_state(subjects.ingress_stream("slow"))
    assert state is not None and state.messages > 0, "the slow one was done: this shows nothing"
    assert 2000 / took_s > 10 / SLOW_S
    assert slow_consumers(running.server) == 0
