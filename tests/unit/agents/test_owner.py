"""Whose a leftover is."""

from pathlib import Path

from agents import owner


def test_a_living_process_keeps_its_things() -> None:
    assert not owner.is_gone(f"jupiter-{owner.mark()}-node")


def test_a_number_used_again_is_another_process() -> None:
    namespace, pid, started = owner.mark().split("-")
    assert owner.is_gone(f"jupiter-{namespace}-{pid}-{int(started) + 1}-node")
    assert not owner.is_gone(f"jupiter-{int(namespace) + 1}-{pid}-{int(started) + 1}-node")


def test_the_dead_own_nothing() -> None:
    namespace, _, started = owner.mark().split("-")
    assert owner.is_gone(f"profiling-{namespace}-{2**22 + 1}-{started}-x")
    assert not owner.is_gone("something else")


def test_only_what_the_dead_left_is_swept(tmp_path: Path) -> None:
    namespace, _, started = owner.mark().split("-")
    mine = tmp_path / f"run-{owner.mark()}-a"
    left = tmp_path / f"run-{namespace}-{2**22 + 1}-{started}-b"
    other = tmp_path / f"other-{namespace}-{2**22 + 1}-{started}-b"
    for folder in (mine, left, other):
        (folder / "inside").mkdir(parents=True)
    owner.sweep(tmp_path, "run-")
    assert sorted(tmp_path.iterdir()) == sorted([mine, other])
