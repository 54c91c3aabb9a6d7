"""What `jupiter verify` sends when it is told nothing of inputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.verify_setup import VerifyOptions, plan_verify
from runtime.errors import UsageError
from tests.acceptance.command import application


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return application(
        tmp_path / "plain", "- {name: work, base_script: work.py, children: [home]}",
        before="codec: text", work="def process(item, ctx):\n    return item\n",
    )  # fmt: skip


def test_the_files_of_the_samples_folder_are_sent_as_they_are_profiled(folder: Path) -> None:
    (folder / "sample_input").mkdir()
    (folder / "sample_input" / "first.txt").write_text("one\ntwo\n")
    (folder / "sample_input" / "second.txt").write_text("two\nthree\n")
    payloads = plan_verify(VerifyOptions(folder=folder)).payloads
    assert [payload.body for payload in payloads[:3]] == [b"one", b"two", b"three"]


def test_an_application_without_samples_needs_a_file(folder: Path) -> None:
    with pytest.raises(UsageError, match="nothing to send: name a file with --input"):
        plan_verify(VerifyOptions(folder=folder))
