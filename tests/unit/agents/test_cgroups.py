"""CPU quotas: arithmetic, both versions of the kernel's files (faked), and what is left behind."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import cgroups
from agents.cgroups import Cgroup, Quota, bandwidth_us, cpu_parents, own_quota
from runtime.errors import UsageError

NOBODY = 2**22 + 1
"""No process can have this number: what is in a cgroup at its end is killed, for real, also in a faked one."""


@given(st.floats(0.001, 256))
def test_quota_and_period_make_the_cores(quota_cores: float) -> None:
    quota_us, period_us = bandwidth_us(quota_cores)
    assert quota_us >= cgroups.SMALLEST_QUOTA_US
    assert cgroups.PERIOD_US <= period_us <= cgroups.LONGEST_PERIOD_US
    assert quota_us / period_us == pytest.approx(quota_cores, rel=0.01)


@pytest.mark.parametrize("quota_cores", [0.0, -1.0, 0.0001, float("nan"), float("inf")])
def test_impossible_quotas_are_refused(quota_cores: float) -> None:
    with pytest.raises(UsageError, match="CPUs"):
        bandwidth_us(quota_cores)


class Kernel:
    """Makes the files of a new cgroup appear, as the kernel would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, files: list[str]) -> None:
        real = Path.mkdir

        def mkdir(path: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
            real(path, mode, parents, exist_ok)
            for name in files:
                (path / name).write_text("")

        def rmdir(path: Path) -> None:
            self.removed.append(path)

        self.removed: list[Path] = []
        monkeypatch.setattr(Path, "mkdir", mkdir)
        monkeypatch.setattr(Path, "rmdir", rmdir)


def test_version_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch, ["cpu.cfs_quota_us", "cpu.cfs_period_us", "cgroup.procs"])
    with Cgroup("rack.7", 0.5, (tmp_path,)) as cgroup:
        assert cgroup.path.parent == tmp_path
        assert (cgroup.path / "cpu.cfs_period_us").read_text() == "10000"
        assert (cgroup.path / "cpu.cfs_quota_us").read_text() == "5000"
        cgroup.add(NOBODY)
        assert (cgroup.path / "cgroup.procs").read_text() == str(NOBODY)
        path = cgroup.path
    assert kernel.removed == [path]


def test_version_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Kernel(monkeypatch, ["cpu.max", "cgroup.procs"])
    with Cgroup("n", 2, (tmp_path,)) as cgroup:
        assert (cgroup.path / "cpu.max").read_text() == "20000 10000"


def test_a_parent_that_refuses_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Kernel(monkeypatch, ["cpu.max", "cgroup.procs"])
    (tmp_path / "file").write_text("")
    with Cgroup("n", 1, (tmp_path / "file" / "no", tmp_path)) as cgroup:
        assert cgroup.path.parent == tmp_path


def test_a_machine_that_does_not_allow_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not allow a CPU quota"), Cgroup("n", 1, (tmp_path / "none",)):
        pass
    with pytest.raises(UsageError, match="no cgroup with a cpu controller"), Cgroup("n", 1, ()):
        pass


def test_what_dead_agents_left_is_removed_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = tmp_path / f"jupiter-{Path('/proc/self/ns/pid').stat().st_ino}-{NOBODY}-1-n"
    others = [tmp_path / f"jupiter-1-{NOBODY}-1-n", tmp_path / "somebody"]
    for path in [dead, *others]:
        path.mkdir()
    kernel = Kernel(monkeypatch, ["cpu.max", "cgroup.procs"])
    with Cgroup("n", 1, (tmp_path,)):
        assert kernel.removed == [dead]


def proc(tmp_path: Path, cgroup: str, mountinfo: str) -> Path:
    folder = tmp_path / "proc"
    folder.mkdir()
    (folder / "cgroup").write_text(cgroup)
    (folder / "mountinfo").write_text(mountinfo)
    return folder


def test_the_nearest_cgroup_is_tried_first(tmp_path: Path) -> None:
    top = tmp_path / "cpu"
    (top / "a" / "b").mkdir(parents=True)
    mounts = f"30 25 0:26 / {top} rw - cgroup cgroup rw,cpu,cpuacct\n31 25 0:27 / /other rw - cgroup c rw,pids\n"
    found = list(cpu_parents(proc(tmp_path, "4:cpu,cpuacct:/a/b\n1:pids:/\n", mounts)))
    assert found == [top / "a" / "b", top / "a", top]


def test_the_smallest_limit_above_us_is_ours(tmp_path: Path) -> None:
    top = tmp_path / "unified"
    (top / "a" / "b").mkdir(parents=True)
    (top / "cgroup.controllers").write_text("cpu memory\n")
    (top / "a" / "cpu.max").write_text("150000 100000\n")
    (top / "a" / "b" / "cpu.max").write_text("max 100000\n")
    place = proc(tmp_path, "0::/a/b\n", f"30 25 0:26 / {top} rw - cgroup2 cgroup2 rw\n")
    assert own_quota(place) == Quota(1.5, 0.1)
