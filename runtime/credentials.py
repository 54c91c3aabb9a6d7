"""What a process shows and trusts when it connects: an nkey, and certificates. Read from files that are named in the
environment, so that whatever a command starts has the same.

A key file holds the seed of a user, as the NATS tools write it; `jupiter keys` adds a comment that names the inbox
prefix of the user. The keys of the workers that an agent starts lie beside its own.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runtime.errors import UsageError
from runtime.permissions import User

KEY = "JUPITER_KEY"
TLS_CA, TLS_CERT, TLS_KEY = "JUPITER_TLS_CA", "JUPITER_TLS_CERT", "JUPITER_TLS_KEY"
VARIABLES = (KEY, TLS_CA, TLS_CERT, TLS_KEY)
DEFAULT_INBOX = "_INBOX"
SUFFIX = ".nk"
_SEED = re.compile(r"^SU[A-Z2-7]{56}$", re.MULTILINE)
_INBOX = re.compile(r"^# inbox (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Of one connection."""

    seed: str | None = field(default=None, repr=False)
    """Of the nkey; None where the server asks for none."""
    inbox: str = DEFAULT_INBOX
    """Prefix of the reply subjects."""
    tls: ssl.SSLContext | None = None
    """None where the server does without."""


NOBODY = Credentials()


def given(environment: Mapping[str, str] = os.environ) -> Credentials:
    """What the environment names; raises UsageError when a file is not what it should be."""
    key = environment.get(KEY)
    if not key:
        return Credentials(tls=_context(environment))
    text = key_text(Path(key))
    seed, inbox = _SEED.search(text), _INBOX.search(text)
    if seed is None:
        raise UsageError(f"the key file {key} holds no seed of a NATS user (SU…): jupiter keys writes such files")
    return Credentials(seed=seed[0], inbox=inbox[1] if inbox else DEFAULT_INBOX, tls=_context(environment))


def key_text(path: Path) -> str:
    """What a key file holds; raises UsageError when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"the key file {path} cannot be read ({why}): correct --key or {KEY}") from error


def of_worker(app: str, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables for a worker of an application; raises UsageError when its key is not there."""
    passed = {name: environment[name] for name in VARIABLES if name in environment}
    own = passed.pop(KEY, None)
    if own:
        path = key_path(Path(own).absolute().parent, User("worker", app))
        if not path.is_file():
            raise UsageError(
                f"there is no key for the workers of {app} at {path}: make it with jupiter keys --app {app}"
            )
        passed[KEY] = str(path)
    return passed


def key_path(folder: Path, user: User) -> Path:
    """Where the key of a user lies in the folder of the keys."""
    return folder / f"{'-'.join(filter(None, (user.component, user.token)))}{SUFFIX}"


def _context(environment: Mapping[str, str]) -> ssl.SSLContext | None:
    authority, certificate, key = (environment.get(name) or None for name in (TLS_CA, TLS_CERT, TLS_KEY))
    if authority is certificate is key is None:
        return None
    if (certificate is None) != (key is None):
        raise UsageError(f"--tls-cert and --tls-key go together ({TLS_CERT}, {TLS_KEY}): give both")
    try:
        context = ssl.create_default_context(cafile=authority)
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(path for path in (authority, certificate, key) if path)
        raise UsageError(f"the certificates in {files} cannot be used: {error}") from error
    return context
