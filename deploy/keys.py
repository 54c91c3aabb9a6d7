"""`jupiter keys`: a key per user, and the users with their permissions as a file for nats-server to include.

The folder is all the state there is: keys that are in it stay as they are, and every key in it is a user.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

import nkeys

from runtime import subjects
from runtime.credentials import SUFFIX, key_path, key_text
from runtime.errors import UsageError
from runtime.permissions import OF_APP, OF_NODE, ONE_EACH, User, permissions

CONFIG = "auth.conf"
SEED_BYTES = 32


def make(folder: Path, apps: Iterable[str], nodes: Iterable[str]) -> list[User]:
    """Write the keys that are missing, and the server's configuration; every user there is now."""
    wanted = [User(component) for component in ONE_EACH]
    wanted += [User(component, app) for app in apps for component in OF_APP]
    wanted += [User(component, node) for node in nodes for component in OF_NODE]
    for user in wanted:
        permissions(user)  # a name that cannot be is refused before anything is written
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for user in wanted:
            path = key_path(folder, user)
            if not path.exists():
                _write(path, _key(user), 0o600)
        found = users(folder)
        _write(folder / CONFIG, config([(user, public_key(key_path(folder, user))) for user in found]), 0o644)
    except OSError as error:
        raise UsageError(f"the keys cannot be written to {folder}: {error.strerror}; choose another folder") from error
    return found


def users(folder: Path) -> list[User]:
    """Whose keys are in the folder, sorted."""
    found = []
    for path in folder.glob(f"*{SUFFIX}"):
        component, _, token = path.name.removesuffix(SUFFIX).partition("-")
        name = subjects.node_name(token) if component in OF_NODE else token
        if component not in (*ONE_EACH, *OF_APP, *OF_NODE) or (component in ONE_EACH) == bool(name):
            raise UsageError(f"{path} is the key of none of ours: move it out of this folder")
        found.append(User(component, name))
    return sorted(found)


def public_key(path: Path) -> str:
    """What the server knows a key by."""
    seed = key_text(path).strip().rpartition("\n")[2]
    try:
        key: str = nkeys.from_seed(bytearray(seed.encode())).public_key.decode()
    except nkeys.NkeysError as error:
        raise UsageError(f"the key file {path} holds no seed: remove it, and a new one is made") from error
    return key


def config(found: Iterable[tuple[User, str]]) -> str:
    """The users with their permissions, as nats-server reads them."""
    entries = [_entry(user, key) for user, key in found]
    return "\n".join(["# Written by `jupiter keys`.", "authorization { users: [", *entries, "] }", ""])


def _entry(user: User, key: str) -> str:
    allowed = permissions(user)
    rights = {"publish": {"allow": allowed.publish}, "subscribe": {"allow": allowed.subscribe}}
    entry = {"nkey": key, "permissions": rights}
    return f"# {' '.join(filter(None, user))}\n{json.dumps(entry, indent=1)}"


def _key(user: User) -> str:
    seed: str = nkeys.encode_seed(os.urandom(SEED_BYTES), nkeys.PREFIX_BYTE_USER).decode()
    return f"# {' '.join(filter(None, user))}\n# inbox {user.inbox}\n{seed}\n"


def _write(path: Path, text: str, mode: int) -> None:
    """In whole or not at all."""
    aside = path.with_name(f".{path.name}.new")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    aside.replace(path)
