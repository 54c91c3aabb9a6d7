"""The command's surface: help, exit codes, one sentence per error, and a light start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deploy import cli
from deploy.components import NAMES

COMMANDS = (
    "run", "up", "submit", "delete", "apps", "new", "validate", "send", "tail", "dead", "status", "nodes", "links",
    "mapping", "profile", "doctor", "map", "remap",
)  # fmt: skip


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f" {name} " in said for name in (*COMMANDS, *NAMES))
    assert "Exit codes" in said


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([name, "--help"]) == 0
    assert f"Usage: jupiter {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_a_component_refuses_like_every_other_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--bogus", "--node", "n", "--app", "a", "--task", "t", "--bundle", ".", "--digest", "d"])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith(f"jupiter {name}: ") and said.count("\n") == 1
    assert "--bogus" in said and "--incarnation" not in said


@pytest.mark.parametrize("name", NAMES)
def test_every_component_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    assert ended.value.code == 0
    assert "--server" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nothing", "No such command 'nothing'"),
        ("run", "Missing argument 'APP'"),
        ("run x --nonsense", "No such option: --nonsense"),
        ("tail app --count none", "valid integer"),
        ("tail app --count 0", "--count"),
        ("run app --drain -1", "--drain"),
        ("submit app --timeout -1", "--timeout"),
        ("run app_specific_files/example --nodes -1", "--nodes -1: a local run has"),
        ("run app_specific_files/example --host 203.0.113.7", "no server can listen on '203.0.113.7'"),
        ("up --host not.an.address.invalid", "no server can listen on 'not.an.address.invalid'"),
        ("run no/such/folder", "does not exist"),
        ("map --problem none.json", "the problem file none.json cannot be read"),
        ("tail app --log", "name the task"),
        ("tail app task --from-start", "is not kept"),
        ("send app missing.txt", "missing.txt does not exist"),
        ("run app_specific_files/example --objective speed", "no objective 'speed'"),
        ("run app_specific_files/example --mapper magic", "no mapper 'magic'"),
        ("run app_specific_files/example --port 70000", "not a port number"),
        ("run app_specific_files/example --mapping none.json", "mapping file none.json cannot be read"),
        ("up --port 0", "not a port number"),
    ],
)
def test_bad_usage_is_one_sentence_and_exit_code_2(line: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(line.split()) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_nobody_there_is_a_failure_not_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["apps", "--server", "nats://127.0.0.1:1"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("jupiter: cannot reach NATS at nats://127.0.0.1:1")
    assert said.count("\n") == 1


def test_a_fault_of_ours_shows_its_traceback_only_when_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: list[str]) -> int:
        raise ZeroDivisionError("no")

    monkeypatch.setattr(cli, "_run", broken)
    assert cli.main(["apps"]) == 1
    assert "add --debug" in capsys.readouterr().err
    with pytest.raises(ZeroDivisionError):
        cli.main(["apps", "--debug"])


def test_a_new_application_is_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["new", str(tmp_path / "fresh")]) == 0
    assert cli.main(["validate", str(tmp_path / "fresh")]) == 0
    assert "fresh: 2 tasks" in capsys.readouterr().out
    assert cli.main(["new", str(tmp_path / "fresh")]) == 2


HEAVY = {"rich", "pydantic", "networkx", "numpy", "yaml", "typer", "psutil"}


@pytest.mark.parametrize("name", ["worker", "gateway", "dispatcher"])
def test_components_start_light(name: str) -> None:
    """A machine starts one worker per task: each needs what it runs on and nothing else."""
    script = f"import sys; from deploy import cli\ntry: cli.main(['{name}', '--help'])\nfinally: print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not HEAVY & set(ran.stdout.split())


def test_looking_does_not_load_what_deciding_needs() -> None:
    script = (
        "import sys; from deploy import cli\ncli.main(['apps', '--server', 'nats://127.0.0.1:1'])\nprint(*sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"networkx", "numpy", "yaml", "psutil", "rich"} & set(ran.stdout.split())
