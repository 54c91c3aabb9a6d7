"""The environment of the processes an agent starts: our packages come first on their path.

An installed package may be called like one of our folders (`agents` is one on PyPI); in our own processes ours
must win.
"""

from __future__ import annotations

import os
from pathlib import Path

import runtime
from runtime.credentials import VARIABLES

ROOT = Path(runtime.__file__).resolve().parent.parent


def environment() -> dict[str, str]:
    """Ours, with the folder of our packages first on PYTHONPATH and without our credentials: they are not for all."""
    inherited = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    others = [entry for entry in inherited if Path(entry).resolve() != ROOT]
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return {**kept, "PYTHONPATH": os.pathsep.join([str(ROOT), *others])}
