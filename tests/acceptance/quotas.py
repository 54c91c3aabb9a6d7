"""Nodes with a share of the machine's processors each, for tests that run an application on them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agents.cgroups import Cgroup
from runtime.errors import UsageError
from tests.integration.cluster import REPOSITORY

TIMEOUT_S = 120.0


def skip_without_cgroups() -> None:
    try:
        with Cgroup("probe", 0.5):
            pass
    except UsageError as error:
        pytest.skip(str(error))


def run(folder: Path, cpus: Mapping[str, float], *arguments: str | Path) -> dict[str, Any]:
    """The report of one `jupiter run` on nodes with these shares."""
    nodes, report = folder.parent / "nodes.yaml", folder.parent / "report.json"
    nodes.write_text("".join(f"{node}: {{cpus: {share}}}\n" for node, share in cpus.items()))
    command = [sys.executable, "-m", "deploy.cli", "run", folder, "--nodes", nodes, "--report", report, *arguments]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, timeout=TIMEOUT_S)
    found: dict[str, Any] = json.loads(report.read_text())
    return found
