"""`jupiter keys`: what it writes, what it keeps, and what it refuses; and how a key is named on any line."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy import cli, connection, keys
from runtime import credentials
from runtime.credentials import KEY, TLS_CA
from runtime.errors import UsageError
from runtime.permissions import User


def test_seeds_are_for_nobody_else_and_stay(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    keys.make(folder, ["example"], ["a.b"])
    seeds = {path.name: path.read_text() for path in folder.glob("*.nk")}
    assert set(seeds) == {
        "agent-a=2Eb.nk", "client-example.nk", "dispatcher.nk", "gateway.nk", "mapper.nk", "operator.nk",
        "worker-example.nk",
    }  # fmt: skip
    assert {(folder / name).stat().st_mode & 0o777 for name in seeds} == {0o600}
    found = keys.make(folder, ["other"], [])
    assert User("agent", "a.b") in found and User("worker", "other") in found and User("worker", "example") in found
    assert all((folder / name).read_text() == text for name, text in seeds.items())
    given = credentials.given({KEY: str(folder / "agent-a=2Eb.nk")})
    assert given.inbox == "_INBOX.agent.a=2Eb"


def test_the_configuration_names_every_key_and_no_seed(tmp_path: Path) -> None:
    users = keys.make(tmp_path, ["example"], ["node1"])
    config = (tmp_path / keys.CONFIG).read_text()
    public = [keys.public_key(credentials.key_path(tmp_path, user)) for user in users]
    assert len(set(public)) == len(users) == config.count('"nkey"')
    assert all(key in config for key in public)
    seeds = [credentials.given({KEY: str(credentials.key_path(tmp_path, user))}).seed for user in users]
    assert all(seed and seed not in config for seed in seeds)


@pytest.mark.parametrize("app", ["edges", "a.b", ""])
def test_a_name_that_cannot_be_leaves_nothing_behind(app: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no application can be called"):
        keys.make(tmp_path / "keys", [app], [])
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize(("name", "text"), [("stranger.nk", "SU"), ("worker.nk", "SU"), ("gateway.nk", "nonsense")])
def test_a_file_that_is_no_key_of_ours_is_said(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=name):
        keys.make(tmp_path, [], [])


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        keys.make(tmp_path / "file", [], [])


def test_the_options_of_the_connection_stand_anywhere() -> None:
    line = ["--key", "/k.nk", "status", "--tls-ca=/ca.pem", "app", "--json"]
    assert connection.take(line) == (["status", "app", "--json"], {KEY: "/k.nk", TLS_CA: "/ca.pem"})


@pytest.mark.parametrize("line", [["status", "--key"], ["status", "--key="]])
def test_an_option_without_its_file_is_bad_usage(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(line) == 2
    assert capsys.readouterr().err == "jupiter: --key needs the name of a file behind it\n"
