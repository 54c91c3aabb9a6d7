"""What tasks print: on the bus and on our own standard error, whoever printed it, and never in anybody's way."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from runtime import subjects
from runtime.app import App
from runtime.printed import BURST_LINES, LINES_PER_S
from tests.integration.cluster import Cluster, Results, cluster
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

IMPORTS = "import asyncio, ctypes, logging, os, subprocess, sys\n"
TALKATIVE = """
def setup(ctx):
    print("set up")

def process(item, ctx):
    print("printed", item)
    print("on stderr", file=sys.stderr)
    ctx.logger.info("logged %d", item)
    logging.getLogger("library").warning("warned")
    ctypes.CDLL(None).puts(b"from C")
    subprocess.run(["echo", "from a child"])
    sys.stdout.buffer.write(b"bytes\\n")
    print("no end", end="", flush=True)
    print("half a pair \\udc80")
    return item
"""
LAST_WORDS = """
def process(item, ctx):
    print("about to crash", end="")
    sys.stdout.flush()
    ctypes.CDLL(None).printf(b"so is C\\n")
    ctypes.string_at(0)
"""
FLOOD = """
def process(item, ctx):
    for number in range(20_000):
        print("line", number)
    subprocess.run(["seq", "20000"])
    return item
"""
FAILING = """
def process(item, ctx):
    raise ValueError(f"not {item}")
"""
ASYNC = """
async def process(item, ctx):
    for step in range(3):
        print("step", step, "of", item)
        await asyncio.sleep(0.01)
    return item
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Cluster]:
    async with cluster(("home",)) as started:
        yield started


class Heard:
    """What came on the log subject of `work`."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.results = Results()

    def texts(self, level: str = "") -> list[str]:
        return [line["line"] for line in self.lines if not level or line["level"] == level]


@asynccontextmanager
async def printing(running: Cluster, folder: Path, script: str) -> AsyncIterator[tuple[App, Heard]]:
    """An application of one task, and what is heard of it."""
    folder.mkdir()  # noqa: ASYNC240 - once, on a local disk
    (folder / "app_config.yaml").write_text(
        "application:\n  codec: json\n  tasks:\n    home: {children: [work]}\n    dag_tasks:\n"
        "      - {name: work, base_script: work.py, children: [home], retries: 0}\n"
    )
    (folder / "work.py").write_text(IMPORTS + script)
    app = await running.submit(folder)
    heard = Heard()
    await running.bus.subscribe(
        subjects.log(app.name, "work"), lambda message: heard.lines.append(json.loads(message.payload))
    )
    await running.bus.subscribe(subjects.egress(app.name), heard.results.take)
    await running.map(app, {"work": "home"})
    try:
        yield app, heard
    finally:
        await running.bus.delete_record(subjects.CONTROL_STREAM, subjects.app(app.name))


async def test_whatever_a_task_prints_is_heard_with_its_item(running: Cluster, tmp_path: Path) -> None:
    async with printing(running, tmp_path / "talkative", TALKATIVE) as (app, heard):
        await running.send(app, [b"7"])
        await heard.results.wait_for(1)
        await until(lambda: "half a pair \udc80" in heard.texts())
        assert heard.texts("stdout") == ["set up", "printed 7", "no end", "half a pair \udc80"]
        assert heard.texts("stderr") == ["on stderr"]
        assert "logged 7" in heard.texts("INFO")
        assert "library: warned" in heard.texts("WARNING")
        assert heard.texts("output") == ["from C", "from a child", "bytes"]
        (item_id,) = heard.results.values
        printed = next(line for line in heard.lines if line["line"] == "printed 7")
        assert (printed["id"], printed["node"]) == (item_id, "home")
        assert abs(printed["time"] - time.time()) < 30


async def test_the_last_words_of_a_crash_are_heard(running: Cluster, tmp_path: Path) -> None:
    async with printing(running, tmp_path / "crashing", LAST_WORDS) as (app, heard):
        await running.send(app, [b"7"])
        await until(lambda: any("Segmentation fault" in text for text in heard.texts("output")))
        await until(lambda: any("work.py" in text for text in heard.texts("output")))
        assert heard.texts("stdout") == ["about to crash"]
        assert "so is C" in heard.texts("output")


async def test_a_flood_of_lines_is_cut_and_does_not_hold_the_pipeline_up(running: Cluster, tmp_path: Path) -> None:
    async with printing(running, tmp_path / "flood", FLOOD) as (app, heard):
        started_s = time.monotonic()
        await running.send(app, [str(number).encode() for number in range(10)])
        await heard.results.wait_for(10)
        took_s = time.monotonic() - started_s
        await until(lambda: any("left out" in text for text in heard.texts("WARNING")))
        print(f"400,000 lines in {took_s:.2f} s, {len(heard.lines)} of them passed on")
        # A worker and its agent have an allowance each, the agent's is twice the worker's.
        assert 1000 < len(heard.lines) < 3 * (BURST_LINES + LINES_PER_S * (time.monotonic() - started_s)) + 100


async def test_what_is_said_of_a_failure_is_about_its_item(running: Cluster, tmp_path: Path) -> None:
    async with printing(running, tmp_path / "failing", FAILING) as (app, heard):
        await running.send(app, [str(number).encode() for number in range(20)] + [b"no JSON"])
        await until(lambda: len([text for text in heard.texts("WARNING") if "dead letter" in text]) == 21)
        said = [line for line in heard.lines if "dead letter" in line["line"]]
        assert [line["id"] for line in said] == [line["line"].split()[2] for line in said]


async def test_items_on_a_loop_are_told_apart(running: Cluster, tmp_path: Path) -> None:
    async with printing(running, tmp_path / "async", ASYNC) as (app, heard):
        await running.send(app, [str(number).encode() for number in range(20)])
        await heard.results.wait_for(20)
        await until(lambda: len(heard.texts("stdout")) == 60)
        said = {(line["id"], line["line"].rpartition(" ")[2]) for line in heard.lines if line["level"] == "stdout"}
        assert said == {(item_id, payloads[0].decode()) for item_id, payloads in heard.results.values.items()}
        await asyncio.sleep(0)
