"""One component in the foreground: `jupiter agent|mapper|dispatcher|gateway|worker …` is `python -m …` of each.

Kept apart from the other commands and light: nothing is imported but the component itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

NAMES = {
    "agent": "measure one node and run its workers",
    "mapper": "decide where tasks run",
    "dispatcher": "turn applications and mappings into running workers",
    "gateway": "feed inputs to the tasks and acknowledge them when they have ended",
    "worker": "run one task (agents start these)",
}
SERVER_VARIABLE = "JUPITER_SERVER"
DEFAULT_SERVER = "nats://127.0.0.1:4222"


def main(name: str, arguments: Sequence[str]) -> int:
    """Run the component until it is told to stop; its exit code."""
    given = list(arguments)
    if not any(argument.partition("=")[0] == "--server" for argument in given):
        given += ["--server", os.environ.get(SERVER_VARIABLE, DEFAULT_SERVER)]
    return _component(name)(given)


def _component(name: str) -> Callable[[list[str]], int]:
    if name == "agent":
        from agents.__main__ import main as agent

        return agent
    if name == "mapper":
        from mapper.__main__ import main as mapper

        return mapper
    from circe.__main__ import main as circe

    return lambda given: circe([name, *given])
