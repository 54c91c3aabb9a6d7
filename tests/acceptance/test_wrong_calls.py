"""Whatever is wrong with a call or an application: one sentence, with its place, exit code 2, nothing started.

A few are called as users do, and all the others in this process, which is a hundred times as quick.
"""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy import cli
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


Refused = Callable[..., str]
"""Gives a call that must be refused; what was said."""


@pytest.fixture
def watched(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A place where a nats-server that is started leaves a trace."""
    server = place.folder / "nats-server"
    server.write_text(f"#!/bin/sh\ntouch {place.folder}/started\nexit 1\n")
    server.chmod(0o755)
    place.environment["JUPITER_NATS_SERVER"] = str(server)
    monkeypatch.setenv("JUPITER_NATS_SERVER", str(server))
    monkeypatch.setattr(tempfile, "tempdir", str(place.temporary))
    monkeypatch.chdir(place.folder)
    return place


@pytest.fixture
def refused(watched: Place, capsys: pytest.CaptureFixture[str]) -> Refused:
    """In this process."""

    def call(*arguments: str | Path) -> str:
        status = cli.main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return checked(watched, status, said.out, said.err)

    return call


@pytest.fixture
def refused_outside(watched: Place) -> Refused:
    """By the command."""

    def call(*arguments: str | Path) -> str:
        ran = watched.run(*arguments)
        return checked(watched, ran.returncode, ran.stdout, ran.stderr)

    return call


def checked(place: Place, status: int, printed: str, said: str) -> str:
    assert status == 2, said
    assert printed == ""
    assert "Traceback" not in said
    assert not (place.folder / "started").exists()
    assert place.processes() == []
    assert list(place.temporary.iterdir()) == []
    return said


def is_told_with_its_place(refused: Refused, folder: Path, command: str, what: str) -> None:
    write, where, words = APPLICATIONS[what]
    said = refused(command, write(folder))
    assert said.count("\n") == 1, said
    assert where in said
    assert words in said


@pytest.mark.parametrize("command", ["run", "submit"])
def test_a_bad_application_as_users_meet_it(refused_outside: Refused, watched: Place, command: str) -> None:
    is_told_with_its_place(refused_outside, watched.folder, command, "a cycle")


@pytest.mark.parametrize("what", APPLICATIONS)
def test_a_bad_application(refused: Refused, watched: Place, what: str) -> None:
    is_told_with_its_place(refused, watched.folder, "run", what)


def test_all_faults_at_once(refused: Refused, watched: Place) -> None:
    folder = app("- {name: a, base_script: none.py, children: [b]}\n- {name: b, base_script: a.py, children: [c]}")
    said = refused("run", folder(watched.folder))
    assert said.count("\n") == 2
    assert "app_config.yaml:5 " in said and "app_config.yaml:6 " in said


def test_a_port_already_taken(refused_outside: Refused) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = refused_outside("run", EXAMPLE, "--port", str(port))
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
def test_a_bad_option(refused: Refused, options: tuple[str, ...], words: str) -> None:
    said = refused("run", EXAMPLE, *options)
    assert said.startswith("jupiter: ")
    assert words in said
    assert said.count("\n") == 1
