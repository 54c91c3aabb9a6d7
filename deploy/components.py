"""One component in the foreground: `jupiter agent|mapper|dispatcher|gateway|worker …` is `python -m …` of each.

Kept apart from the other commands and light: nothing is imported but the component itself.
"""

from __future__ import annotations

import os
import secrets
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
_HELP = {"-h", "--help"}


def main(name: str, arguments: Sequence[str]) -> int:
    """Run the component until it is told to stop; its exit code."""
    given = list(arguments)
    if not _HELP & set(given):
        given += _missing(name, given)
    return _component(name)(given)


def _missing(name: str, given: Sequence[str]) -> list[str]:
    """What a person need not write: where the server is, and a name for this process."""
    options = {argument.partition("=")[0] for argument in given}
    added = []
    if "--server" not in options:
        added += ["--server", os.environ.get(SERVER_VARIABLE, DEFAULT_SERVER)]
    if "--incarnation" not in options and name != "worker":
        added += ["--incarnation", f"{name}-{secrets.token_hex(4)}"]
    return added


def _component(name: str) -> Callable[[list[str]], int]:
    if name == "agent":
        from agents.__main__ import main as agent

        return agent
    if name == "mapper":
        from mapper.__main__ import main as mapper

        return mapper
    from circe.__main__ import main as circe

    return lambda given: circe([name, *given])
