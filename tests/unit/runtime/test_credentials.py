"""What the environment names: keys and certificates, and one sentence for what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime import credentials
from runtime.credentials import KEY, TLS_CA, TLS_CERT
from runtime.errors import UsageError

SEED = "SU" + "A" * 56


def test_nothing_named_is_nobody() -> None:
    assert credentials.given({}) == credentials.NOBODY


def test_a_seed_with_its_inbox_and_one_of_other_tools(tmp_path: Path) -> None:
    ours, others = tmp_path / "ours.nk", tmp_path / "others.nk"
    ours.write_text(f"# worker app\n# inbox _INBOX.worker.app\n{SEED}\n")
    others.write_text(SEED)
    found = credentials.given({KEY: str(ours)})
    assert (found.seed, found.inbox) == (SEED, "_INBOX.worker.app")
    assert SEED not in repr(found)
    assert credentials.given({KEY: str(others)}).inbox == "_INBOX"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({KEY: "none.nk"}, "none.nk cannot be read"),
        ({KEY: "bad.nk"}, "bad.nk holds no seed"),
        ({TLS_CA: "none.pem"}, "none.pem cannot be used"),
        ({TLS_CA: "bad.nk"}, "bad.nk cannot be used"),
        ({TLS_CERT: "cert.pem"}, "go together"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    variables: dict[str, str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.nk").write_text("SUNSHINE\n")
    with pytest.raises(UsageError, match=words) as raised:
        credentials.given(variables)
    assert "\n" not in str(raised.value)


def test_a_worker_gets_the_key_of_its_application_and_the_certificates(tmp_path: Path) -> None:
    agent = {KEY: str(tmp_path / "agent-node1.nk"), TLS_CA: "ca.pem", "HOME": "/root"}
    with pytest.raises(UsageError, match=r"no key for the workers of app .* jupiter keys --app app"):
        credentials.of_worker("app", agent)
    (tmp_path / "worker-app.nk").write_text(SEED)
    assert credentials.of_worker("app", agent) == {KEY: str(tmp_path / "worker-app.nk"), TLS_CA: "ca.pem"}
    assert credentials.of_worker("app", {TLS_CA: "ca.pem"}) == {TLS_CA: "ca.pem"}
