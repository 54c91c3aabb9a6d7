"""One running Jupiter and the commands that talk to it, as one user's day: each step stands on the one before."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime import subjects
from runtime.bus import Bus, connect
from runtime.server import EmbeddedServer
from tests.acceptance.command import EXAMPLE, Place, application
from tests.waiting import until

TASKS = ["split", "count", "length", "merge", "summary"]


class Day:
    """The commands against one Jupiter."""

    def __init__(self, place: Place, bus: Bus) -> None:
        self.place = place
        self.bus = bus

    async def __call__(self, *arguments: str | Path, given: str = "", status: int = 0) -> str:
        """What a command prints on stdout; with another expected status, what it says on stderr."""
        ran = await asyncio.to_thread(self.place.run, *arguments, given=given)
        assert ran.returncode == status, ran.stderr
        return ran.stderr if status else ran.stdout

    async def json(self, *arguments: str | Path) -> Any:
        return json.loads(await self(*arguments, "--json"))


async def test_a_day_with_jupiter(place: Place) -> None:
    async with place.started("up", "--nodes", "2") as up:
        url = await up.url()
        place.environment["JUPITER_SERVER"] = url
        async with connect(url, name="test") as bus:
            day = Day(place, bus)
            assert await day.json("apps") == []
            assert await day("status") == "no applications: `jupiter submit APP` sends one\n"
            first_s = await submits_and_sends(day)
            await looks(day)
            await tails(day)
            await runs_new_code_soon(day, first_s)
            await remaps(day)
            await reads_dead_letters(day)
            await keeps_nothing_of_what_cannot_start(day)
            await deletes_and_begins_clean(day)
        up.process.send_signal(signal.SIGINT)
        assert await up.ended() == 0
    assert place.processes() == []
    assert list(place.temporary.iterdir()) == []


async def test_a_server_alone_is_no_jupiter(place: Place) -> None:
    async with EmbeddedServer() as server:
        for command in (("status",), ("submit", EXAMPLE), ("tail", "example")):
            ran = await asyncio.to_thread(place.run, *command, "--server", server.url)
            assert ran.returncode == 1
            assert ran.stderr.startswith(f"jupiter: no Jupiter runs at {server.url}; start one")


async def submits_and_sends(day: Day) -> float:
    """How long the first submission took, with measuring, mapping and starting."""
    app = day.place.folder / "example"
    shutil.copytree(EXAMPLE, app)
    before = time.monotonic()
    submitted = await day.json("submit", app)
    took_s = time.monotonic() - before
    assert submitted["state"] == "in place"
    assert set(submitted["mapping"]) == set(TASKS)
    assert [each["app"] for each in await day.json("apps")] == ["example"]
    (day.place.folder / "in.txt").write_text("".join(f"line {number}\n" for number in range(1_000)))
    assert await day.json("send", "example", "in.txt") == {"app": "example", "acknowledged": 1_000}
    assert await day("send", "example", given="one\ntwo\n") == "2 inputs of example acknowledged\n"
    await stored(day.bus, "example", 1_002)
    return took_s


async def looks(day: Day) -> None:
    await until_status(day, lambda found: found["workers"][0]["counts"].get("ended") == 1_002)
    found = await day.json("status", "example")
    assert (found["state"], found["lag"], found["dead_letters"]) == ("in place", 0, 0)
    assert found["egress"]["messages"] == found["results_unread"] == 1_002
    workers = {worker["task"]: worker for worker in found["workers"]}
    assert set(workers) == {"home", *TASKS}
    assert all(worker["state"] == "running" and worker["incarnation"] for worker in workers.values())
    assert workers["summary"]["counts"]["results"] >= 1_002
    assert "in place" in await day("status") and "summary" in await day("status", "example")

    nodes = await day.json("nodes")
    assert [node["node"] for node in nodes] == ["home", "node1", "node2"]
    assert all(node["age_s"] < 10 and node["cores"] > 0 for node in nodes)
    links = await day.json("links")
    assert {(link["source"], link["target"]) for link in links} >= {("home", "node1"), ("node2", "home")}
    assert "MiB/s" in await day("links") and "node1" in await day("nodes")
    mapping = await day.json("mapping", "example")
    assert {task: [node] for task, node in mapping["mapping"].items()} == mapping["places"]
    assert mapping["makespan_s"] > 0 and mapping["why"]
    assert {(each["task"], each["node"]) for each in await day.json("profile", "example")} >= {("split", "node1")}
    assert "no application 'nobody'" in await day("status", "nobody", status=2)


async def tails(day: Day) -> None:
    stored_before = [
        json.loads(line) for line in (await day("tail", "example", "--from-start", "-n", "3")).splitlines()
    ]
    assert [line["task"] for line in stored_before] == ["summary"] * 3
    async with day.place.started("tail", "example") as live, day.place.started("tail", "example", "count") as tapped:
        await asyncio.gather(live.says("Ctrl-C"), tapped.says("Ctrl-C"))
        await day.bus.store(subjects.ingress("example"), b"just three words")
        result, output = json.loads(await live.line()), json.loads(await tapped.line())
        assert (result["task"], result["value"]["words"]) == ("summary", 3)
        assert (output["task"], output["value"]) == ("count", 3)
        assert (output["id"], output["seq"]) == (result["id"], result["seq"])
        for running in (live, tapped):
            running.process.send_signal(signal.SIGINT)
            assert await running.ended() == 0


async def runs_new_code_soon(day: Day, first_s: float) -> None:
    """A busy moment of the machine makes one change slow, not all."""
    changes_s = []
    for longest in ("the very longest is", "by far the longest is", "nothing is as long as"):
        changes_s.append(await runs_new_code(day, longest))
        if changes_s[-1] < 2 * first_s:
            return
    raise AssertionError(f"somebody waits for a lease: {changes_s}, and {first_s} at first")


async def runs_new_code(day: Day, longest: str) -> float:
    """How long the submission took."""
    app = day.place.folder / "example"
    script = app / "summary.py"
    script.write_text((EXAMPLE / "summary.py").read_text().replace("the longest is", longest))
    before = time.monotonic()
    digest = (await day.json("submit", app))["digest"]
    took_s = time.monotonic() - before
    assert (await day.json("apps"))[0]["digest"] == digest
    async with day.place.started("tail", "example", "-n", "1") as tail:
        await tail.says("Ctrl-C")
        await day("send", "example", given="some words\n")
        assert longest in json.loads(await tail.line())["value"]["text"]
        assert await tail.ended() == 0
    return took_s


async def remaps(day: Day) -> None:
    mapping = day.place.folder / "mapping.json"
    mapping.write_text(json.dumps(dict.fromkeys(TASKS, "node2")))
    given = await day.json("submit", day.place.folder / "example", "--mapping", mapping)
    assert set(given["mapping"].values()) == {"node2"}
    await until_status(day, lambda found: {each["node"] for each in found["workers"]} == {"home", "node2"})
    epoch = (await day.json("mapping", "example"))["epoch"]
    again = await day.json("remap", "example")
    assert again["epoch"] > epoch
    assert again["algorithm"] != "given"


async def reads_dead_letters(day: Day) -> None:
    app = application(
        day.place.folder / "picky", "- {name: picky, base_script: picky.py, retries: 0, children: [home]}",
        before="codec: text", picky="def process(line, ctx):\n    return line[:10] if int(line) else None\n",
    )  # fmt: skip
    (app / "sample_input").mkdir()
    (app / "sample_input" / "numbers.txt").write_text("1\n2\n")
    await day("submit", app)
    await day("send", "picky", given="7\nseven\n8\n")
    await until(lambda: letters(day, 1))
    [letter] = await day.json("dead", "list", "picky")
    assert (letter["task"], letter["input"], letter["seq"]) == ("picky", {"text": "seven"}, 2)
    assert "ValueError" in letter["error"] and "Traceback" in letter["traceback"]
    assert "invalid literal" in await day("dead", "list", "picky")
    assert await day.json("dead", "replay", "picky") == {"sent": 1, "kept": 0}
    await until(lambda: letters(day, 1, after=letter["number"]))
    assert await day.json("dead", "purge", "picky") == {"purged": 1}
    assert await day.json("dead", "list", "picky") == []
    await day("delete", "picky")


async def letters(day: Day, count: int, after: int = 0) -> bool:
    state = await day.bus.stream_state(subjects.dead_stream("picky"))
    return state is not None and state.messages == count and state.last_sequence > after


async def deletes_and_begins_clean(day: Day) -> None:
    assert await day("delete", "example") == "example: deleted\n"
    assert await day.json("apps") == []
    assert await names(day.bus) == ["OBJ_jupiter-bundles", "jupiter-control", "jupiter-profile", "jupiter-status"]
    assert await day.bus.object_names(subjects.BUNDLES) == []
    assert await day.bus.snapshot(subjects.CONTROL_STREAM, ">") == []
    assert "no application 'example'" in await day("delete", "example", status=2)
    assert (await day.json("submit", EXAMPLE))["state"] == "in place"
    found = await day.json("status", "example")
    assert (found["lag"], found["egress"]["messages"], found["dead_letters"]) == (0, 0, 0)
    await day("send", "example", given="fresh start\n")
    assert json.loads(await day("tail", "example", "--from-start", "-n", "1"))["seq"] == 1


async def keeps_nothing_of_what_cannot_start(day: Day) -> None:
    app = application(
        day.place.folder / "lame", "- {name: lame, base_script: lame.py, children: [home]}",
        before="codec: text", lame="import no_such_module\n\ndef process(item, ctx):\n    return item\n",
    )  # fmt: skip
    (app / "sample_input").mkdir()
    (app / "sample_input" / "lines.txt").write_text("1\n")
    said = await day("submit", app, status=1)
    assert "no_such_module" in said and "it is taken away again" in said
    assert "lame" not in [each["app"] for each in await day.json("apps")]
    bad = (app / "lame.py").read_text()
    (app / "lame.py").write_text("def process(item, ctx):\n    return item\n")
    await day("submit", app)
    (app / "lame.py").write_text(bad)
    assert "the one before goes on" in await day("submit", app, status=1)
    await day("send", "lame", given="it does\n")
    assert json.loads(await day("tail", "lame", "--from-start", "-n", "1"))["value"] == "it does"
    (app / "lame.py").write_text("def process(item, ctx):\n    return item\n")
    await day("submit", app)
    await day("delete", "lame")


async def names(bus: Bus) -> list[str]:
    """The streams that are there."""
    return sorted(stream["config"]["name"] for stream in (await bus.api("STREAM.LIST", {}))["streams"])


async def stored(bus: Bus, app: str, count: int) -> None:
    """Wait until the egress holds so many results."""

    async def is_so() -> bool:
        state = await bus.stream_state(subjects.egress_stream(app))
        return state is not None and state.messages >= count

    await until(is_so)


async def until_status(day: Day, is_so: Callable[[dict[str, Any]], bool]) -> None:
    async def look() -> bool:
        return is_so(await day.json("status", "example"))

    await until(look)
