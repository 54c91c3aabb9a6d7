"""An application's folder as one content-addressed file: what travels to the machines that run it.

A zip whose members are stored, sorted, with fixed times and modes: the same folder gives the same bytes and
so the same digest on every machine, whichever zlib it has, and nothing can unpack to more than was sent. It
also carries the application's record, so that whoever unpacks it needs no YAML parser.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runtime import codec
from runtime.app import App
from runtime.errors import AppError, Fault, JupiterError

RECORD = ".jupiter/app.json"
MAX_BYTES = 256 << 20
MAX_FILES = 10_000
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can say."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LINK_MODE = 0o120000
_BAD_NAMES = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP}
_UNREADABLE = (zipfile.BadZipFile, EOFError, RuntimeError, ValueError, OverflowError, struct.error)
"""What zipfile raises for bytes that are no zip, or one with features of its own."""


class BundleError(JupiterError, ValueError):
    """A payload is not the bundle it should be: nothing of it was kept."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A packed folder and the SHA-256 of its bytes, hexadecimal."""

    digest: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class UnpackedBundle:
    """An application and the folder its scripts lie in."""

    app: App
    folder: Path


def pack(folder: Path, app: App) -> Bundle:
    """The folder without hidden files and bytecode; raises AppError when it cannot be sent as it is."""
    members: dict[str, bytes | Path] = {RECORD: codec.encode_record(app.with_digest("").to_record()), **files(folder)}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(members.items()):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3  # Unix, wherever it is packed
            info.external_attr = 0o100644 << 16
            archive.writestr(info, content.read_bytes() if isinstance(content, Path) else content)
    payload = buffer.getvalue()
    return Bundle(hashlib.sha256(payload).hexdigest(), payload)


def unpack(payload: bytes, digest: str, cache: Path) -> UnpackedBundle:
    """The bundle unpacked below `cache`, once however many callers; raises BundleError on anything else."""
    if found := cached(digest, cache):
        return found
    if hashlib.sha256(payload).hexdigest() != digest:
        raise BundleError(f"the payload is not the bundle {digest[:12]}: its SHA-256 is another")
    cache.mkdir(parents=True, exist_ok=True)
    # Made aside and moved in whole: others on this machine see all of a bundle or nothing of it.
    aside = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=cache))
    try:
        _extract(payload, aside)
        _app(aside, digest)
        try:
            aside.rename(cache / digest)
        except OSError:
            if not (cache / digest).is_dir():
                raise
            # Another caller was faster; its copy is the same.
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return UnpackedBundle(_app(cache / digest, digest), cache / digest)


def cached(digest: str, cache: Path) -> UnpackedBundle | None:
    """The bundle if it has been unpacked here before."""
    if not _DIGEST.fullmatch(digest):
        raise BundleError(f"'{digest[:80]}' is no SHA-256 in hexadecimal")
    folder = cache / digest
    return UnpackedBundle(_app(folder, digest), folder) if folder.is_dir() else None


def files(folder: Path) -> dict[str, Path]:
    """What would be packed, by path from the folder on; raises AppError with all that cannot be sent."""
    root = folder.resolve()
    found: dict[str, Path] = {}
    faults: list[Fault] = []
    for path in _walk(root):
        name = path.relative_to(root).as_posix()
        if message := _objection(path, name, root):
            faults.append(Fault(str(folder / name), message))
        else:
            found[name] = path
    total_bytes = sum(path.stat().st_size for path in found.values())
    if total_bytes > MAX_BYTES or len(found) > MAX_FILES:
        message = f"{len(found)} files of {total_bytes >> 20} MiB are more than a bundle may hold"
        limit = f"{MAX_FILES} files, {MAX_BYTES >> 20} MiB"
        faults.append(Fault(str(folder), f"{message} ({limit}); keep data elsewhere, or under a hidden name"))
    if faults:
        raise AppError(faults)
    return found


def _walk(root: Path) -> Iterator[Path]:
    """Everything that is no plain folder, in a fixed order, but for what is left out."""
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not _is_left_out(name))
        links = [name for name in folders if Path(place, name).is_symlink()]
        yield from (Path(place, name) for name in sorted([*names, *links]) if not _is_left_out(name))


def _objection(path: Path, name: str, root: Path) -> str:
    """Why a file cannot be sent along; empty when it can."""
    if path.is_symlink() and path.is_dir():
        return "this is a linked folder, which cannot be sent along; put a copy there, or remove it"
    if not path.is_file() or not path.resolve().is_relative_to(root):
        kind = "a link to outside the folder" if path.is_symlink() else "no regular file"
        return f"this is {kind}; put a copy there, or remove it"
    return "" if _is_safe(name) else "not every machine can have a file of this name; rename it"


def _is_left_out(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__" or name.endswith(".pyc")


def _extract(payload: bytes, folder: Path) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(payload)) as archive:
            members = archive.infolist()
            total_bytes = sum(member.file_size for member in members)
            if len(members) > MAX_FILES or total_bytes > MAX_BYTES:
                raise BundleError(f"{len(members)} files of {total_bytes} bytes are more than a bundle may hold")
            for member in members:
                path = folder / _safe(member)
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("xb") as file:
                    file.write(archive.read(member))
                    file.flush()
                    os.fsync(file.fileno())  # a machine that loses power must not keep empty scripts
    except BundleError:
        raise
    except OSError as error:
        if error.errno in _BAD_NAMES:
            raise BundleError(f"the bundle holds a name that cannot be: {error}") from error
        raise
    except _UNREADABLE as error:
        raise BundleError(f"the payload is no readable bundle: {error}") from error


def _safe(member: zipfile.ZipInfo) -> PurePosixPath:
    """The member's path, if it stays inside the folder and is what `pack` makes."""
    name = member.filename
    if not _is_safe(name):
        raise BundleError(f"the bundle holds the unsafe path {name[:200]!r}")
    if member.compress_type != zipfile.ZIP_STORED or member.external_attr >> 16 & 0o170000 == _LINK_MODE:
        raise BundleError(f"the bundle holds {name[:200]!r} compressed or as a link, which none of ours does")
    return PurePosixPath(name)


def _is_safe(name: str) -> bool:
    """Whether a name is a relative path that stays below, in one spelling, on every system."""
    path = PurePosixPath(name)
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    is_below = not path.is_absolute() and ".." not in path.parts and name not in ("", ".")
    return is_below and str(path) == name and not set("\\:") & set(name)


def _app(folder: Path, digest: str) -> App:
    try:
        record = codec.decode_record((folder / RECORD).read_bytes())
        return App.from_record(record).with_digest(digest)
    except (OSError, KeyError, TypeError, ValueError) as error:
        message = f"the bundle {digest[:12]} holds no readable application: {type(error).__name__}: {error}"
        raise BundleError(message) from error
