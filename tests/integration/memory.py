"""What processes and the server say of themselves, for tests of bounds."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from runtime.server import EmbeddedServer
from tests.waiting import DEADLINE_S


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had so far."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise AssertionError(f"process {pid} has no peak")


def slow_consumers(server: EmbeddedServer) -> int:
    """Clients that the server has disconnected because they did not read."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.monitor_port}/varz", timeout=DEADLINE_S) as answer:
        return int(json.load(answer)["slow_consumers"])
