"""What an agent tells a worker process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """Which task to run, as whom, and where its code lies."""

    server: str
    app: str
    task: str
    node: str
    incarnation: str
    cache: Path
    digest: str
    scratch: Path
    """Where files of items may lie; made when it is needed, and removed at the end."""
    epoch: int = 0
    slots: int | None = None
    """Descriptor of the memory shared with the parent, which then reads our standard output and error too."""
