"""Runs `jupiter verify` as its users do, on the application of this folder, and reads what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
TORTURE = HERE / "torture"
WINDOWS = REPOSITORY / "app_specific_files" / "windows"
QUEUED = HERE / "queued"
PATIENCE_S = 60.0
"""For its end, once it has printed its report."""


class Outcome(NamedTuple):
    """What a verification came to."""

    status: int
    report: dict[str, Any]
    said: str

    def fault(self, name: str) -> dict[str, Any]:
        """The line of one kind of fault."""
        return next(each for each in self.report["faults"] if each["fault"] == name)

    @property
    def breaches(self) -> dict[str, int]:
        """The sums of the table that are not zero."""
        return {name: count for name, count in self.report["totals"].items() if count}


def verify(
    folder: Path,
    *options: str | Path,
    seconds: float,
    seed: int = 1,
    patches: str = "",
    app: Path = TORTURE,
    begin: Path | None = None,
) -> Outcome:
    """`patches` break the components (`patches/sitecustomize.py`); `begin` is made once the faults begin."""
    environment = {**os.environ, "COLUMNS": "200"}
    if patches:
        environment |= {"PYTHONPATH": str(HERE / "patches"), "JUPITER_TEST_PATCHES": patches}
    log = folder / "components.log"
    command = ["verify", app, "--json", "--seconds", f"{seconds}", "--seed", f"{seed}", "--log", log, *options]
    with subprocess.Popen(
        [sys.executable, "-m", "deploy.cli", *command],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        said: list[str] = []
        listening = threading.Thread(target=_listen, args=(process, said, begin), daemon=True)
        listening.start()
        try:
            assert process.stdout is not None
            printed = process.stdout.read()
            status = process.wait(PATIENCE_S)
        finally:
            process.kill()
            listening.join()
    text = "".join(said)
    assert printed, f"no report, exit code {status}:\n{text}"
    return Outcome(status, json.loads(printed), text)


def _listen(process: subprocess.Popen[str], said: list[str], begin: Path | None) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        said.append(line)
        if begin is not None and line.startswith("1. "):
            begin.touch()
