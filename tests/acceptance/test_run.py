"""`jupiter run`: from a folder to results, and nothing left behind however it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from deploy.local import STOP_GRACE_S
from runtime import subjects
from runtime.bus import connect
from runtime.message import Outgoing
from tests.acceptance.command import EXAMPLE, Place, application, listens
from tests.waiting import until

LINES = 2_000
TASKS = ("split", "count", "length", "merge", "summary")


def results(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def written(place: Place, name: str, lines: list[str]) -> Path:
    path = place.folder / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_every_result_once_and_in_order(place: Place) -> None:
    written(place, "in.txt", [f"line {number} of many" for number in range(1, LINES + 1)])
    options = ("--nodes", "3", "--input", "in.txt", "--output", "out.jsonl", "--report", "report.json")
    ran = place.run("run", EXAMPLE, *options)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == ""
    found = results(place.folder / "out.jsonl")
    assert [result["seq"] for result in found] == list(range(1, LINES + 1))
    assert len({result["id"] for result in found}) == LINES
    assert all(result["task"] == "summary" and result["value"]["words"] == 4 for result in found)

    report = json.loads((place.folder / "report.json").read_text())
    assert set(report["mapping"]) == set(report["tasks"]) == set(TASKS)
    assert all(report["tasks"][task]["node"] == node for task, node in report["mapping"].items())
    assert all(report["tasks"][task]["errors"] == report["tasks"][task]["dead"] == 0 for task in TASKS)
    assert report["tasks"]["split"]["in"] >= LINES
    assert report["tasks"]["summary"]["results"] >= LINES
    assert report["items"] == {"in": LINES, "ended": LINES, "results": LINES, "unfinished": 0, "dead_letters": 0,
                               "resent": report["items"]["resent"]}  # fmt: skip
    assert report["algorithm"] and report["why"] and report["epoch"] > 0
    assert report["predicted"]["period_s"] > 0 and report["measured"]["period_s"] > 0
    assert report["measured"]["first_result_s"] > 0 and report["measured"]["items_per_s"] > 0
    assert 0 < report["measured"]["p50_s"] <= report["measured"]["p99_s"]
    assert place.processes() == []
    assert list(place.temporary.iterdir()) == []


def test_once_takes_one_item_and_ends_by_itself(place: Place) -> None:
    written(place, "in.txt", ["first of them", "second", "third"])
    ran = place.run("run", EXAMPLE, "--once", "--input", "in.txt", "--nodes", "1", "--json")
    assert ran.returncode == 0, ran.stderr
    result, report = (json.loads(line) for line in ran.stdout.splitlines())
    assert result["seq"] == 1 and result["value"]["words"] == 3
    assert report["objective"] == "makespan"
    assert report["predicted"]["makespan_s"] > 0 and report["measured"]["makespan_s"] > 0
    assert "makespan: predicted" in ran.stderr


def test_a_mapping_that_is_given_is_obeyed_and_nothing_is_measured(place: Place) -> None:
    places = {task: f"node{1 + index % 2}" for index, task in enumerate(TASKS)}
    (place.folder / "mapping.json").write_text(json.dumps(places))
    written(place, "in.txt", ["a b c"] * 100)
    options = ("--nodes", "2", "--mapping", "mapping.json", "--input", "in.txt", "--report", "report.json")
    ran = place.run("run", EXAMPLE, *options)
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.splitlines()) == 100
    report = json.loads((place.folder / "report.json").read_text())
    assert {task: report["tasks"][task]["node"] for task in TASKS} == places
    assert report["algorithm"] == "given"
    assert "profiling" not in ran.stderr


PICKY = """
def process(line, ctx):
    if line.startswith("bad"):
        raise ValueError(f"cannot take {line}")
    if line.startswith("skip"):
        return None
    return line
"""


def test_dead_letters_and_filtered_items_hold_nobody_up(place: Place) -> None:
    app = application(
        place.folder / "picky", "- {name: picky, base_script: picky.py, retries: 0, children: [home]}",
        before="codec: text\nlimits: {ingress_bytes: 16KiB}", picky=PICKY,
    )  # fmt: skip
    kinds = ("good", "skip", "good", "bad")
    lines = [f"{kinds[number % 4]} {number}" for number in range(1_200)]
    written(place, "in.txt", lines)
    ran = place.run("run", app, "--nodes", "1", "--input", "in.txt", "--output", "out.jsonl", "--json")
    assert ran.returncode == 0, ran.stderr
    found = results(place.folder / "out.jsonl")
    assert [result["seq"] for result in found] == [
        number + 1 for number, line in enumerate(lines) if line.startswith("good")
    ]
    assert all(result["value"] == lines[result["seq"] - 1] for result in found)
    report = json.loads(ran.stdout)
    assert report["items"]["dead_letters"] == 300
    assert report["tasks"]["picky"]["dead"] >= 300
    assert report["tasks"]["picky"]["filtered"] >= 300
    assert "300 DEAD LETTERS" in ran.stderr
    assert "ValueError: cannot take bad" in ran.stderr


async def test_standard_input_streams(place: Place) -> None:
    """A result comes while the input is still open."""
    async with place.started("run", EXAMPLE, "--nodes", "1", "--input", "-") as running:
        for number in range(1, 4):
            await running.write(f"line {number}\n")
            result = json.loads(await running.line())
            assert (result["seq"], result["value"]["words"]) == (number, 2)
        assert await running.ended() == 0


async def test_ctrl_c_finishes_what_is_in_flight_and_leaves_nothing(place: Place) -> None:
    files = ("--output", "out.jsonl", "--report", "report.json")
    async with place.started("run", EXAMPLE, "--nodes", "2", *files) as running:
        url = await running.url()
        await running.says("waiting for inputs")
        async with connect(url, name="test") as bus:
            inputs = [Outgoing(subjects.ingress("example"), b"one two", {"Nats-Msg-Id": f"{n}"}) for n in range(500)]
            await asyncio.gather(*bus.store_many(inputs))
        running.process.send_signal(signal.SIGINT)
        assert await running.ended() == 0, running.said
    assert [result["seq"] for result in results(place.folder / "out.jsonl")] == list(range(1, 501))
    assert json.loads((place.folder / "report.json").read_text())["stopped"] is True
    assert not listens(int(url.rsplit(":", 1)[1]))
    assert place.processes() == []
    assert list(place.temporary.iterdir()) == []


async def test_ctrl_c_before_any_input_ends_at_once(place: Place) -> None:
    began_s = time.monotonic()
    async with place.started("run", EXAMPLE, "--nodes", "1") as running:
        await running.says("waiting for inputs")
        asked_s = time.monotonic()
        running.process.send_signal(signal.SIGINT)
        assert await running.ended() == 0, running.said
    assert time.monotonic() - asked_s < max(STOP_GRACE_S, asked_s - began_s), "nobody had to be killed"


async def test_a_server_that_is_killed_comes_back_and_everything_goes_on(place: Place) -> None:
    async with place.started("run", EXAMPLE, "--nodes", "1", "--input", "-") as running:
        url = await running.url()
        await running.write("before it\n")
        assert json.loads(await running.line())["seq"] == 1
        [server] = [number for number, line in place.running().items() if "nats-server -c" in line]
        os.kill(server, signal.SIGKILL)
        await running.says("nats-server ended with status -9")
        await running.write("after it\n")
        assert json.loads(await running.line())["seq"] == 2
        assert await running.ended() == 0
    assert running.said[0].endswith(url)


async def test_a_second_ctrl_c_does_not_wait(place: Place) -> None:
    app = application(
        place.folder / "slow", "- {name: slow, base_script: slow.py, children: [home]}", before="codec: text",
        slow="import time\n\ndef process(line, ctx):\n    time.sleep(60 if line == 'stop' else 0)\n    return line\n",
    )  # fmt: skip
    mapping = place.folder / "mapping.json"
    mapping.write_text('{"slow": "node1"}')
    async with place.started("run", app, "--nodes", "1", "--mapping", mapping, "--input", "-") as running:
        await running.write("go\nstop\n")
        assert '"go"' in await running.line()
        running.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.2)
        assert running.process.returncode is None
        running.process.send_signal(signal.SIGINT)
        assert await running.ended() == 1
        assert running.said[-1].startswith("jupiter: stopped at once")
    assert place.processes() == []
    assert list(place.temporary.iterdir()) == []


async def test_what_cannot_be_finished_in_time_is_said(place: Place) -> None:
    app = application(
        place.folder / "slow", "- {name: slow, base_script: slow.py, children: [home]}", before="codec: text",
        slow="import time\n\ndef process(line, ctx):\n    time.sleep(60)\n",
    )  # fmt: skip
    mapping = place.folder / "mapping.json"
    mapping.write_text('{"slow": "node1"}')
    written(place, "in.txt", ["x"] * 3)
    options = ("--nodes", "1", "--mapping", mapping, "--input", "in.txt", "--drain", "0.5")
    async with place.started("run", app, *options) as running:
        await running.says("3 in")
        running.process.send_signal(signal.SIGINT)
        assert await running.ended() == 1
        assert "with 3 inputs unfinished" in running.said[-1]


async def test_a_launcher_that_is_killed_takes_everything_with_it(place: Place) -> None:
    async with place.started("run", EXAMPLE, "--nodes", "2") as running:
        url = await running.url()
        await running.says("waiting for inputs")
        running.process.kill()
        await running.ended()
        await place.nothing_left()
    await until(lambda: not listens(int(url.rsplit(":", 1)[1])))
    assert list(place.temporary.glob("jupiter-run-*"))
    written(place, "in.txt", ["a line"])
    assert place.run("run", EXAMPLE, "--nodes", "1", "--input", "in.txt").returncode == 0
    assert list(place.temporary.iterdir()) == []  # the next one has cleared away


def test_a_task_that_cannot_start_ends_the_run_with_its_reason(place: Place) -> None:
    app = application(
        place.folder / "lame", "- {name: lame, base_script: lame.py, children: [home]}",
        lame="import no_such_module\n\ndef process(item, ctx):\n    return item\n",
    )  # fmt: skip
    written(place, "in.txt", ["1"])
    ran = place.run("run", app, "--nodes", "1", "--input", "in.txt")
    assert ran.returncode == 1
    assert "task lame" in ran.stderr.splitlines()[-1]
    assert ran.stderr.count("no_such_module") == 1, ran.stderr
    assert "no_such_module" in ran.stderr.splitlines()[-1]
    assert place.processes() == []
