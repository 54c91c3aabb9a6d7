"""What the components are started with, read as the other commands read theirs: one sentence per error."""

from __future__ import annotations

import argparse
import secrets
import sys
from typing import NoReturn

from runtime.service import EXIT_USAGE


class Parser(argparse.ArgumentParser):
    """Of one component: every one has a server and, from whoever starts it, an incarnation."""

    def __init__(self, component: str, description: str) -> None:
        super().__init__(prog=f"jupiter {component}", description=description, allow_abbrev=False)
        self.add_argument("--server", required=True, metavar="URL", help="the NATS server of this node")
        # Of this process; a person need not name it.
        self.add_argument("--incarnation", default=f"{component}-{secrets.token_hex(4)}", help=argparse.SUPPRESS)

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {message}; see {self.prog} --help\n")
        raise SystemExit(EXIT_USAGE)
