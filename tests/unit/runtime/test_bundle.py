from __future__ import annotations

import contextlib
import hashlib
import io
import os
import stat
import tempfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runtime import bundle
from runtime.app import App
from runtime.bundle import Bundle, BundleError
from runtime.errors import AppError
from runtime.graph import Task, TaskGraph

APP = App(name="demo", graph=TaskGraph({"a": Task(name="a", script="a.py", children=("home",))}, ("a",)))
PART = st.text(st.characters(codec="utf-8", exclude_characters="/\\:\0"), min_size=1, max_size=20).filter(
    lambda name: not name.startswith(".") and name != "__pycache__" and not name.endswith(".pyc")
)
FILES = st.dictionaries(st.lists(PART, min_size=1, max_size=3).map("/".join), st.binary(max_size=200), max_size=6)


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    found.pop(bundle.RECORD, None)
    return found


def archive(*members: tuple[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_STORED) -> Bundle:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return Bundle(hashlib.sha256(buffer.getvalue()).hexdigest(), buffer.getvalue())


@settings(max_examples=50, deadline=None)
@given(FILES)
def test_what_is_packed_comes_out(files: dict[str, bytes]) -> None:
    assume(not any(f"{other}/".startswith(f"{name}/") for name in files for other in files if name != other))
    assume(all(len(part.encode()) < 200 for name in files for part in name.split("/")))
    with tempfile.TemporaryDirectory() as place:
        folder = write(Path(place, "demo"), {"a.py": b"x", **files})
        packed = bundle.pack(folder, APP)
        unpacked = bundle.unpack(packed.payload, packed.digest, Path(place, "cache"))
        assert contents(unpacked.folder) == contents(folder)
        assert unpacked.app == APP.with_digest(packed.digest)
        assert packed.digest == hashlib.sha256(packed.payload).hexdigest()
        assert bundle.pack(unpacked.folder, unpacked.app) == packed


def test_same_content_same_bytes_whatever_times_modes_and_order(tmp_path: Path) -> None:
    files = {"b/c.txt": b"1", "a.py": b"2", "z": b""}
    one = write(tmp_path / "one", files)
    two = write(tmp_path / "two", dict(reversed(files.items())))
    (two / "a.py").chmod(0o755)
    os.utime(two / "z", (1, 1))
    assert bundle.pack(one, APP) == bundle.pack(two, APP.with_digest("0" * 64))
    assert bundle.pack(one, APP).digest != bundle.pack(write(two, {"z": b"!"}), APP).digest


def test_hidden_files_and_bytecode_stay_at_home(tmp_path: Path) -> None:
    left_out = {".env": b"", ".git/config": b"", "__pycache__/a.pyc": b"", "a.pyc": b"", "p/__pycache__/x": b""}
    folder = write(tmp_path / "demo", {"a.py": b"x", "p/b.py": b"y", **left_out})
    packed = bundle.pack(folder, APP)
    unpacked = bundle.unpack(packed.payload, packed.digest, tmp_path)
    assert contents(unpacked.folder) == {"a.py": b"x", "p/b.py": b"y"}


def test_links_inside_are_files_and_others_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "demo", {"a.py": b"x", "p/b": b"y"})
    (folder / "link.py").symlink_to("a.py")
    packed = bundle.pack(folder, APP)
    assert contents(bundle.unpack(packed.payload, packed.digest, tmp_path).folder)["link.py"] == b"x"
    for target, said in [(tmp_path, "a linked folder"), ("/etc/passwd", "a link to outside"), ("no", "a link to")]:
        (folder / "bad").symlink_to(target)
        with pytest.raises(AppError, match=rf"demo/bad: .*{said}.*; put a copy there, or remove it"):
            bundle.pack(folder, APP)
        (folder / "bad").unlink()


def test_odd_files_are_refused_by_name(tmp_path: Path) -> None:
    folder = write(tmp_path / "demo", {"a.py": b"x"})
    os.mkfifo(folder / "pipe")
    with pytest.raises(AppError, match="demo/pipe: this is no regular file"):
        bundle.pack(folder, APP)
    (folder / "pipe").unlink()
    write(folder, {"a:b": b""})
    with pytest.raises(AppError, match="demo/a:b: not every machine can have a file of this name; rename it"):
        bundle.pack(folder, APP)


def test_too_much_is_refused_with_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "demo", {"a.py": bytes(3 << 20)})
    packed = bundle.pack(folder, APP)
    monkeypatch.setattr(bundle, "MAX_BYTES", 1 << 20)
    with pytest.raises(AppError, match=r"1 files of 3 MiB are more than a bundle may hold \(10000 files, 1 MiB\)"):
        bundle.pack(folder, APP)
    with pytest.raises(BundleError, match="are more than a bundle may hold"):
        bundle.unpack(packed.payload, packed.digest, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_a_payload_must_be_what_its_digest_says(tmp_path: Path) -> None:
    packed = bundle.pack(write(tmp_path / "demo", {"a.py": b"x"}), APP)
    with pytest.raises(BundleError, match="the payload is not the bundle 000000000000: its SHA-256 is another"):
        bundle.unpack(packed.payload, "0" * 64, tmp_path / "cache")
    for digest in ("", "../x", packed.digest.upper(), packed.digest + "\n"):
        with pytest.raises(BundleError, match="is no SHA-256 in hexadecimal"):
            bundle.unpack(packed.payload, digest, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def _link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("link")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


HOSTILE = {
    "traversal": archive(("../x", b"")),
    "deep traversal": archive(("a/../../x", b"")),
    "absolute": archive(("/tmp/x", b"")),
    "backslash": archive(("..\\x", b"")),
    "drive": archive(("c:x", b"")),
    "folder": archive(("a/", b"")),
    "detour": archive(("./a", b"")),
    "link": archive((_link(), b"/etc/passwd")),
    "compressed": archive(("a", bytes(1000)), compression=zipfile.ZIP_DEFLATED),
    "file and folder": archive(("a", b""), ("a/b", b"")),
    "long name": archive(("x" * 300, b"")),
    "no record": archive(("a.py", b"")),
    "bad record": archive((bundle.RECORD, b"{}")),
    "no zip": Bundle(hashlib.sha256(b"PK").hexdigest(), b"PK"),
}


@pytest.mark.parametrize("bad", HOSTILE.values(), ids=HOSTILE)
def test_hostile_payloads_are_refused_and_leave_nothing(tmp_path: Path, bad: Bundle) -> None:
    cache = tmp_path / "deep" / "cache"
    with pytest.raises(BundleError):
        bundle.unpack(bad.payload, bad.digest, cache)
    assert not list(cache.iterdir())
    assert [path.name for path in tmp_path.rglob("*")] == ["deep", "cache"]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_bundle_is_a_typed_error_or_harmless(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        payload = bytearray(bundle.pack(write(Path(place, "demo"), {"a.py": b"x" * 50}), APP).payload)
        for _ in range(data.draw(st.integers(1, 3))):
            payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
        damaged = bytes(payload[: data.draw(st.integers(0, len(payload)))])
        with contextlib.suppress(BundleError):
            bundle.unpack(damaged, hashlib.sha256(damaged).hexdigest(), Path(place, "cache"))
        assert {path.name for path in Path(place).iterdir()} <= {"demo", "cache"}


def test_unpacked_once_and_then_found(tmp_path: Path) -> None:
    packed = bundle.pack(write(tmp_path / "demo", {"a.py": b"x"}), APP)
    cache = tmp_path / "cache"
    assert bundle.cached(packed.digest, cache) is None
    unpacked = bundle.unpack(packed.payload, packed.digest, cache)
    assert bundle.cached(packed.digest, cache) == unpacked
    before = (unpacked.folder / "a.py").stat()
    assert bundle.unpack(b"", packed.digest, cache) == unpacked  # the payload is not needed again
    assert (unpacked.folder / "a.py").stat() == before


def test_many_callers_share_one_cache(tmp_path: Path) -> None:
    packed = bundle.pack(write(tmp_path / "demo", {f"f{n}.py": b"x" for n in range(20)}), APP)
    cache, start = tmp_path / "cache", threading.Barrier(8)

    def unpack(_: int) -> bundle.UnpackedBundle:
        start.wait()
        found = bundle.unpack(packed.payload, packed.digest, cache)
        assert len(contents(found.folder)) == 20
        return found

    with ThreadPoolExecutor(8) as pool:
        assert len({found.folder for found in pool.map(unpack, range(8))}) == 1
    assert [path.name for path in cache.iterdir()] == [packed.digest]
