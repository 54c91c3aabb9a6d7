"""Whatever is wrong with a call or an application: one sentence, with its place, exit code 2, nothing started."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.command import EXAMPLE, Place, application

PASS_ON = "def process(item, ctx):\n    return item\n"
ONE = "- {name: a, base_script: a.py, children: [home]}"


def app(tasks: str, name: str = "demo", before: str = "", **scripts: str) -> Callable[[Path], Path]:
    """How to write an application whose scripts pass items on unless told otherwise."""
    return lambda folder: application(folder / name, tasks, before=before, **{"a": PASS_ON, **scripts})


def broken_yaml(folder: Path) -> Path:
    path = app(ONE)(folder)
    (path / "app_config.yaml").write_text("application:\n  tasks: [unclosed\n")
    return path


APPLICATIONS = {
    "a cycle": (
        app("- {name: a, base_script: a.py, children: [b]}\n- {name: b, base_script: a.py, children: [a, home]}"),
        r"demo/app_config.yaml:5 ",
        "a -> b -> a",
    ),
    "an unknown child": (
        app("- {name: a, base_script: a.py, children: [nobody]}"),
        "demo/app_config.yaml:5 ",
        "'nobody', which is no task",
    ),
    "a missing script": (
        app("- {name: a, base_script: missing.py, children: [home]}"),
        "demo/app_config.yaml:5 ",
        "missing.py",
    ),
    "a script without process": (app(ONE, a="def run(item):\n    return item\n"), "demo/a.py", "process"),
    "a script that does not parse": (app(ONE, a="def process(item, ctx:\n"), "demo/a.py", ""),
    "a bad name": (app(ONE, name="a.b c"), "a.b c: ", "cannot name an application"),
    "a reserved name": (app(ONE, name="status"), "status: ", "is reserved"),
    "a reserved task": (
        app("- {name: mapper, base_script: a.py, children: [home]}"),
        "demo/app_config.yaml:5 ",
        "'mapper' is reserved",
    ),
    "YAML that does not parse": (broken_yaml, "demo/app_config.yaml:", ""),
    "no folder": (lambda folder: folder / "absent", "absent: ", "does not exist"),
    "no configuration": (lambda folder: folder, "app_config.yaml: ", "the file is missing"),
}


@pytest.fixture
def watched(place: Place) -> Place:
    """A place where a nats-server that is started leaves a trace."""
    server = place.folder / "nats-server"
    server.write_text(f"#!/bin/sh\ntouch {place.folder}/started\nexit 1\n")
    server.chmod(0o755)
    place.environment["JUPITER_NATS_SERVER"] = str(server)
    return place


def refused(place: Place, *arguments: str | Path) -> str:
    """Run a command that must refuse; what it said."""
    ran = place.run(*arguments)
    assert ran.returncode == 2, ran.stderr
    assert ran.stdout == ""
    assert "Traceback" not in ran.stderr
    assert not (place.folder / "started").exists()
    assert place.processes() == []
    assert list(place.temporary.iterdir()) == []
    return ran.stderr


@pytest.mark.parametrize(("command", "what"), [*(("run", what) for what in APPLICATIONS), ("submit", "a cycle")])
def test_a_bad_application(watched: Place, command: str, what: str) -> None:
    write, where, words = APPLICATIONS[what]
    said = refused(watched, command, write(watched.folder))
    assert said.count("\n") == 1, said
    assert where in said
    assert words in said


def test_all_faults_at_once(watched: Place) -> None:
    folder = app("- {name: a, base_script: none.py, children: [b]}\n- {name: b, base_script: a.py, children: [c]}")
    said = refused(watched, "run", folder(watched.folder))
    assert said.count("\n") == 2
    assert "app_config.yaml:5 " in said and "app_config.yaml:6 " in said


def test_a_port_already_taken(watched: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = refused(watched, "run", EXAMPLE, "--port", str(port))
    assert said.startswith(f"jupiter: port {port} on 127.0.0.1 cannot be used")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--input", "absent.txt"), "the input file absent.txt does not exist"),
        (("--input", "."), "the input . is a folder"),
        (("--output", "no/such/folder/out.jsonl"), "the folder of the output no/such/folder/out.jsonl does not exist"),
        (("--output", "same", "--report", "./same"), "--output and --report are the same file"),
        (("--nodes", "absent.yaml"), "the nodes file absent.yaml cannot be read"),
        (("--nodes", "0"), "--nodes 0"),
        (("--mapping", "absent.json"), "the mapping file absent.json cannot be read"),
        (("--mapper", "magic"), "no mapper 'magic'"),
        (("--objective", "speed"), "no objective 'speed'"),
    ],
)
def test_a_bad_option(watched: Place, options: tuple[str, ...], words: str) -> None:
    said = refused(watched, "run", EXAMPLE, *options)
    assert said.startswith("jupiter: ")
    assert words in said
    assert said.count("\n") == 1
