"""The options about the connection that every command and component has, wherever they stand on its line. Pure."""

from __future__ import annotations

import os
from collections.abc import Sequence

from runtime.credentials import KEY, TLS_CA, TLS_CERT, TLS_KEY
from runtime.errors import UsageError

OPTIONS = {"--key": KEY, "--tls-ca": TLS_CA, "--tls-cert": TLS_CERT, "--tls-key": TLS_KEY}


def take(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The line without them, and the variables that say the same; raises UsageError on one without its file."""
    rest: list[str] = []
    named: dict[str, str] = {}
    left = iter(arguments)
    for argument in left:
        option, equals, file = argument.partition("=")
        if option not in OPTIONS:
            rest.append(argument)
            continue
        path = file if equals else next(left, "")
        if not path:
            raise UsageError(f"{option} needs the name of a file behind it")
        named[OPTIONS[option]] = os.path.abspath(path)
    return rest, named
