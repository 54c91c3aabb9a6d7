"""The profiler's child, run as the process it is, on small applications."""

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import runtime
from runtime.app import App
from runtime.graph import Task, TaskGraph

ROOT = Path(runtime.__file__).parent.parent


def profile(folder: Path, app: App, budget_s: float = 0.05) -> dict[str, dict[str, Any]]:
    """Each task's answer, by task."""
    asked = {"app": app.to_record(), "folder": str(folder), "node": "n", "cores": 1.0, "budget_s": budget_s}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "agents.profile_child"],
        input=json.dumps(asked) + "\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert said[0] == {"ready": True}
    begun = [line["begin"] for line in said[1::2]]
    assert begun == [line["task"] for line in said[2::2]] == list(app.graph.order)
    return {line.pop("task"): line for line in said[2::2]}


def make(folder: Path, scripts: dict[str, str], sample: str = "1\n2\n3\n", **settings: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for name, source in scripts.items():
        (folder / f"{name}.py").write_text(dedent(source))
    (folder / "sample_input").mkdir()
    (folder / "sample_input" / "in.txt").write_text(sample)
    return folder


def chain(*tasks: Task, codec: str = "json") -> App:
    return App(name="app", graph=TaskGraph({task.name: task for task in tasks}, (tasks[0].name,)), codec=codec)


def test_a_diamond_is_measured_edge_by_edge(tmp_path: Path) -> None:
    folder = make(
        tmp_path / "app",
        {
            "split": "def process(item, ctx):\n    print('noise')\n    return item * 1000",
            "half": "def process(item, ctx):\n    for n in range(2): yield 'x' * 10",
            "slow": "import time\ndef process(item, ctx):\n    time.sleep(0.01)\n    ctx.emit(item, to='merge')",
            "merge": "def process(item, ctx):\n    return sorted(item)",
        },
    )
    app = chain(
        Task(name="split", script="split.py", children=("half", "slow", "merge")),
        Task(name="half", script="half.py", children=("home",)),
        Task(name="slow", script="slow.py", children=("merge",)),
        Task(name="merge", script="merge.py", children=("home",)),
    )
    answers = profile(folder, app)
    assert answers["split"]["output_bytes"] == {"half": 4.0, "slow": 4.0, "merge": 4.0}
    assert [answers[task]["input_bytes"] for task in ("split", "half", "merge")] == [1.0, 4.0, 8.0]
    assert answers["half"]["outputs"] == {"home": 2.0}
    assert answers["half"]["output_bytes"] == {"home": 24.0}
    assert 0.01 <= answers["slow"]["min_s"] <= answers["slow"]["median_s"] <= answers["slow"]["cold_s"]
    assert answers["slow"]["cpu_s"] < 0.005
    assert answers["merge"]["output_bytes"] == {"home": float(len('["slow","split"]'))}
    assert all(answer["runs"] >= 2 for answer in answers.values())


def test_async_tasks_hooks_and_processes(tmp_path: Path) -> None:
    folder = make(
        tmp_path / "app",
        {
            "a": """
                import asyncio, subprocess, sys
                async def setup(ctx): ctx.logger.warning("set up")
                async def process(item, ctx):
                    await asyncio.sleep(0)
                    yield int(item) + 1
                """,
            "b": """
                import subprocess, sys
                def setup(ctx): global ready; ready = True
                def process(item, ctx):
                    assert ready and sys.stdin.read() == ""
                    code = "x = 0\\nfor n in range(300000): x += n"
                    subprocess.run([sys.executable, "-S", "-c", code], check=True)
                    return item
                """,
        },
    )
    tasks = (
        Task(name="a", script="a.py", children=("b",), input_codec="text"),
        Task(name="b", script="b.py", children=("home",)),
    )
    answers = profile(folder, chain(*tasks))
    assert answers["a"]["outputs"] == {"b": 1.0}
    assert answers["b"]["cpu_s"] > 0.005  # of the processes it started


def test_what_fails_is_said_with_its_place_and_what_follows_from_it(tmp_path: Path) -> None:
    folder = make(
        tmp_path / "app",
        {
            "a": "def process(item, ctx):\n    return item",
            "bad": "def process(item, ctx):\n    return 1 / 0",
            "after": "def process(item, ctx):\n    return item",
            "broken": "import nothing_of_that_name\ndef process(item, ctx): ...",
            "exits": "import sys\ndef process(item, ctx): sys.exit(3)",
            "deaf": "def process(item, ctx): return None",
            "next": "def process(item, ctx): return item",
        },
    )
    app = chain(
        Task(name="a", script="a.py", children=("bad", "broken", "exits", "deaf")),
        Task(name="bad", script="bad.py", children=("after",)),
        Task(name="after", script="after.py", children=("home",)),
        Task(name="broken", script="broken.py", children=("home",)),
        Task(name="exits", script="exits.py", children=("home",)),
        Task(name="deaf", script="deaf.py", children=("next",)),
        Task(name="next", script="next.py", children=("home",)),
    )
    errors = {name: answer.get("error", "") for name, answer in profile(folder, app).items()}
    assert errors["a"] == errors["deaf"] == ""
    assert errors["bad"] == ("fails on its sample input: on sample-1: ZeroDivisionError: division by zero at bad.py:2")
    assert errors["after"] == "not measured, because its input comes from 'bad', which was not"
    assert "imports 'nothing_of_that_name'" in errors["broken"]
    assert str(tmp_path) not in errors["broken"]
    assert "SystemExit: 3" in errors["exits"]
    assert "give 'next' a sample_input" in errors["next"]


def test_items_that_fail_are_counted_and_the_others_measured(tmp_path: Path) -> None:
    folder = make(tmp_path / "app", {"a": "def process(item, ctx):\n    return 6 // (item - 1)"})
    answer = profile(folder, chain(Task(name="a", script="a.py", children=("home",))))["a"]
    assert answer["failed_items"] == 1
    assert answer["runs"] >= 2


def test_a_route_sends_each_output_to_one_child(tmp_path: Path) -> None:
    source = "def process(item, ctx):\n    return 'x' * 8"
    folder = make(tmp_path / "app", dict.fromkeys("abc", source))
    app = chain(
        Task(name="a", script="a.py", children=("b", "c"), route="round_robin"),
        Task(name="b", script="b.py", children=("home",)),
        Task(name="c", script="c.py", children=("home",)),
    )
    answer = profile(folder, app)["a"]
    assert answer["outputs"] == {"b": 0.5, "c": 0.5}
    assert answer["output_bytes"] == {"b": 5.0, "c": 5.0}


def test_our_packages_stand_in_nobodys_way(tmp_path: Path) -> None:
    """An application may have a module called like one of our folders."""
    folder = make(
        tmp_path / "app",
        {
            "a": """
                import os, sys
                def process(item, ctx):
                    assert "agents" not in sys.modules, sys.modules["agents"]
                    assert os.getcwd() == os.path.dirname(__file__)
                    return item
                """
        },
    )
    answer = profile(folder, chain(Task(name="a", script="a.py", children=("home",))))["a"]
    assert "error" not in answer


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_user_code_may_start_processes(tmp_path: Path, method: str) -> None:
    source = f"""
        import multiprocessing, os
        def process(item, ctx):
            with multiprocessing.get_context("{method}").Pool(1) as pool:
                return pool.apply(os.getpid)
        """
    folder = make(tmp_path / "app", {"a": source}, sample="1\n")
    answer = profile(folder, chain(Task(name="a", script="a.py", children=("home",))), budget_s=0.01)["a"]
    assert "error" not in answer


def test_large_samples_and_outputs_are_files_as_in_a_worker(tmp_path: Path) -> None:
    folder = make(
        tmp_path / "app",
        {
            "grow": """
                def process(item, ctx):
                    path = ctx.scratch / "grown"
                    path.write_bytes(bytes(9_000_000))
                    return path
            """,
            "size": "def process(item, ctx):\n    return str(item.stat().st_size).encode()",
        },
    )
    grow = Task(name="grow", script="grow.py", children=("size",))
    size = Task(name="size", script="size.py", children=("home",))
    answers = profile(folder, chain(grow, size, codec="bytes"))
    assert answers["grow"]["output_bytes"] == {"size": 9_000_000}
    assert answers["size"]["output_bytes"] == {"home": 7}
    assert list((tmp_path / "scratch").iterdir()) == []
