"""A Jupiter with keys and certificates: what its server is told, and what each component finds in its environment."""

from __future__ import annotations

import json
from pathlib import Path

import trustme

from deploy import keys
from runtime.credentials import KEY, TLS_CA, TLS_CERT, TLS_KEY, key_path
from runtime.permissions import User
from tests.integration.cluster import Secrecy

MAX_PAYLOAD_BYTES = 256 << 10
"""So that an item can be too big for a message without being big."""


class Keys(Secrecy):
    """Every component has its own nkey."""

    def __init__(self, folder: Path, apps: tuple[str, ...], nodes: tuple[str, ...]) -> None:
        self.folder = folder
        self.users = keys.make(folder, apps, nodes)

    @property
    def server_config(self) -> str:  # type: ignore[override] # a property here
        return (self.folder / keys.CONFIG).read_text()  # `include` takes no absolute path

    def environment(self, component: str) -> dict[str, str]:
        name, _, node = component.partition(" ")
        return self.of(User("operator") if name == "test" else User(name, node))  # type: ignore[arg-type] # components are users

    def of(self, user: User) -> dict[str, str]:
        """What a user finds in its environment."""
        return {KEY: str(key_path(self.folder, user))}


class Certified(Keys):
    """Under TLS as well, with certificates of both sides, from an authority of this test alone."""

    def __init__(self, folder: Path, apps: tuple[str, ...], nodes: tuple[str, ...]) -> None:
        super().__init__(folder, apps, nodes)
        self._files = certificates(folder / "tls", trustme.CA())

    @property
    def server_config(self) -> str:
        files = {name: json.dumps(str(path)) for name, path in self._files.items()}
        tls = f"tls {{ cert_file: {files['cert']}, key_file: {files['key']}, ca_file: {files['ca']}, verify: true }}"
        return f"{super().server_config}\n{tls}\nmax_payload: {MAX_PAYLOAD_BYTES}"

    def of(self, user: User) -> dict[str, str]:
        files = self._files
        tls = {TLS_CA: str(files["ca"]), TLS_CERT: str(files["cert"]), TLS_KEY: str(files["key"])}
        return {**super().of(user), **tls}


def certificates(folder: Path, authority: trustme.CA) -> dict[str, Path]:
    """The files of an authority and of one certificate for this machine."""
    folder.mkdir(parents=True)
    issued = authority.issue_cert("127.0.0.1", "localhost")
    found = {name: folder / f"{name}.pem" for name in ("ca", "cert", "key")}
    authority.cert_pem.write_to_path(str(found["ca"]))
    issued.cert_chain_pems[0].write_to_path(str(found["cert"]))
    issued.private_key_pem.write_to_path(str(found["key"]))
    return found
