"""The Execution Profiler on a real server: profiles per task and node, failures by name, quotas."""

import asyncio
from pathlib import Path

import pytest

from agents.cgroups import Cgroup
from runtime import codec, subjects
from runtime.bus import Bus
from runtime.errors import UsageError
from runtime.mapping import TaskMapping
from runtime.message import Message
from runtime.profiles import ExecutionProfile
from runtime.records import Beat, EdgeRecord
from runtime.server import EmbeddedServer
from tests.integration.agent_kit import PROFILE, STATUS, agent, lay_out, submit, watch, write_app
from tests.waiting import until

ECHO = "def process(item, ctx):\n    return item"
BURN = """
    def process(item, ctx):
        total = 0
        for n in range(400_000):
            total += n
        return total
    """


def profiles_of(app: str, task: str) -> str:
    return f"jupiter.profile.exec.{app}.{task}.*"


async def test_every_task_is_profiled_on_every_node_and_again_when_the_code_changes(
    own_server: EmbeddedServer, own_bus: Bus, tmp_path: Path
) -> None:
    await lay_out(own_bus)
    folder = tmp_path / "twice"
    app = await submit(own_bus, folder, write_app(folder, {"a": ECHO, "b": "def process(item, ctx): return [item]"}))
    async with (
        watch(own_bus, PROFILE, profiles_of(app.name, "a"), ExecutionProfile.from_record) as first,
        watch(own_bus, PROFILE, profiles_of(app.name, "b"), ExecutionProfile.from_record) as second,
        agent(own_server.url, "n1", tmp_path / "cache"),
        agent(own_server.url, "n2", tmp_path / "cache"),
    ):
        await until(lambda: first.keys() == second.keys() == {"n1", "n2"})
        profile = second["n1"]
        assert (profile.app, profile.task, profile.node, profile.digest) == ("twice", "b", "n1", app.digest)
        assert profile.output_bytes == {"home": 3.0}
        assert 0 < profile.min_s <= profile.median_s < profile.cold_s < 5
        (folder / "a.py").write_text("def process(item, ctx):\n    return item + 1000")
        changed = await submit(own_bus, folder, app)
        await until(lambda: all(each.digest == changed.digest for each in (first | second).values()))
        assert first["n1"].output_bytes == {"b": 4.0}


async def test_a_successor_does_not_measure_again_what_is_known(
    own_server: EmbeddedServer, own_bus: Bus, tmp_path: Path
) -> None:
    await lay_out(own_bus)
    folder = tmp_path / "once"
    await submit(own_bus, folder, write_app(folder, {"a": f"open({str(tmp_path / 'runs')!r}, 'a').write('x')\n{ECHO}"}))
    async with watch(own_bus, PROFILE, profiles_of("once", "a"), ExecutionProfile.from_record) as found:
        async with agent(own_server.url, "n", tmp_path / "cache"):
            await until(lambda: "n" in found)
        async with agent(own_server.url, "n", tmp_path / "cache"):
            await asyncio.sleep(1.5)
    assert (tmp_path / "runs").read_text() == "x"


async def test_what_has_gone_with_a_deleted_application_is_measured_again_for_the_next_of_its_name(
    own_server: EmbeddedServer, own_bus: Bus, tmp_path: Path
) -> None:
    """The agent heard neither of the deletion nor of the submission, and thought its profiles there for minutes."""
    await lay_out(own_bus)
    folder = tmp_path / "again"
    app = await submit(own_bus, folder, write_app(folder, {"a": ECHO}))
    told: list[Message] = []
    await own_bus.subscribe(profiles_of("again", "a"), told.append)

    async def run(name: str) -> None:
        edges = EdgeRecord(app=app.name, revision=1, run=name)
        await own_bus.put_record(subjects.edges(app.name), codec.encode_record(edges.to_record()))

    await run("first")
    async with agent(own_server.url, "n", tmp_path / "cache"):
        await until(lambda: told)
        await run("first")
        await asyncio.sleep(1.0)
        assert len(told) == 1
        await run("second")
        await until(lambda: len(told) == 2)


@pytest.mark.parametrize(
    ("source", "sample", "said"),
    [
        ("def process(item, ctx):\n    raise KeyError('x')", "1\n", "fails on its sample input: on sample-1: KeyError"),
        ("import os\ndef process(item, ctx): os.abort()", "1\n", "killed by SIGABRT"),
        (ECHO, None, "there is no sample input; put a file into the application's folder sample_input/"),
    ],
)
async def test_what_cannot_be_measured_says_why(
    own_server: EmbeddedServer, own_bus: Bus, tmp_path: Path, source: str, sample: str | None, said: str
) -> None:
    await lay_out(own_bus)
    folder = tmp_path / "broken"
    app = await submit(own_bus, folder, write_app(folder, {"bad": source, "after": ECHO}, sample))
    async with (
        watch(own_bus, STATUS, subjects.status("broken", "bad", "*"), Beat.from_record) as bad,
        watch(own_bus, STATUS, subjects.status("broken", "after", "*"), Beat.from_record) as after,
        watch(own_bus, PROFILE, profiles_of("broken", "bad"), ExecutionProfile.from_record) as found,
        agent(own_server.url, "rack.1", tmp_path / "cache"),
    ):
        beat = await until(lambda: bad.get("profiler-rack=2E1"))
        assert beat.state == "failed" and said in beat.message
        assert (beat.node, beat.digest) == ("rack.1", app.digest)
        assert "'bad'" in (await until(lambda: after.get("profiler-rack=2E1"))).message
        assert not found
        # Mended code is measured, and the complaint is taken back.
        (folder / "bad.py").write_text(ECHO)
        (folder / "sample_input").mkdir(exist_ok=True)
        (folder / "sample_input" / "in.txt").write_text("1\n")
        await submit(own_bus, folder, app)
        await until(lambda: "rack=2E1" in found and bad["profiler-rack=2E1"].state == "gone")


async def test_a_task_that_hangs_is_ended_at_the_deadline(
    own_server: EmbeddedServer, own_bus: Bus, tmp_path: Path
) -> None:
    from agents.profile_run import Answer, ProfileRun

    folder = tmp_path / "hangs"
    app = write_app(folder, {"a": ECHO, "b": "import time\ndef process(item, ctx): time.sleep(99)", "c": ECHO})
    answers: dict[str, Answer] = {}

    async def take(answer: Answer) -> None:
        answers[answer.task] = answer

    await ProfileRun(node="n", scratch=tmp_path / "scratch", deadline_s=5.0).measure(app, folder, take)
    assert not answers["a"].error
    assert answers["b"].error == "took longer than 5 s on its sample input"
    assert answers["c"].error == "not measured, because profiling ended at task 'b'"
    assert list((tmp_path / "scratch").iterdir()) == []


async def test_nothing_is_measured_for_a_mapping_made_by_hand(
    own_server: EmbeddedServer, own_bus: Bus, tmp_path: Path
) -> None:
    await lay_out(own_bus)
    mapping = TaskMapping(assignment={"a": "n"}).to_record()
    await own_bus.put_record(subjects.mapping("given"), codec.encode_record(mapping))
    for name in ("given", "other"):
        folder = tmp_path / name
        await submit(own_bus, folder, write_app(folder, {"a": ECHO}))
    async with (
        watch(own_bus, PROFILE, profiles_of("*", "a"), ExecutionProfile.from_record) as found,
        agent(own_server.url, "n", tmp_path / "cache"),
    ):
        assert (await until(lambda: found.get("n"))).app == "other"
        await asyncio.sleep(0.5)
        assert found["n"].app == "other"


@pytest.mark.cgroups
async def test_a_quota_slows_a_task_down_as_much_as_it_says(
    own_server: EmbeddedServer, own_bus: Bus, tmp_path: Path
) -> None:
    try:
        with Cgroup("test", 1.0):
            pass
    except UsageError as error:
        pytest.skip(str(error))
    await lay_out(own_bus)
    folder = tmp_path / "burn"
    await submit(own_bus, folder, write_app(folder, {"a": BURN}))
    async with (
        watch(own_bus, PROFILE, profiles_of("burn", "a"), ExecutionProfile.from_record) as found,
        agent(own_server.url, "slow", tmp_path / "cache", "--cpus", "0.2"),
    ):
        await until(lambda: "slow" in found)
    # Against the processor's own time, which is the same however busy the machine is.
    ratio = found["slow"].median_s / found["slow"].cpu_s
    print(f"with 0.2 CPUs {ratio:.2f} times as long as the work takes")
    assert 3.5 < ratio < 7.5
