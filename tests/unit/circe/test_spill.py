"""What a join holds: every payload comes back as it was, and memory and disk hold no more than what is still held."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circe import spill
from circe.flow import Flow
from circe.job import Job
from circe.spill import Kept, Spill, loaded
from runtime.graph import Task, TaskGraph
from runtime.item import Frame, Part

BUDGET_BYTES = 100


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@given(st.lists(st.tuples(st.binary(max_size=60), st.integers(0, 5)), max_size=60))
def test_all_comes_back_and_memory_stays_within_the_budget(steps: list[tuple[bytes, int]]) -> None:
    before = open_files()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(spill, "SEGMENT_BYTES", 128)
        store = Spill(BUDGET_BYTES, Path(folder))
        held: list[tuple[bytes, Kept]] = []
        for payload, drop in steps:
            held.append((payload, store.keep(payload)))
            del held[:drop]
            assert store.memory_bytes <= BUDGET_BYTES
            assert [(len(kept), kept.load()) for _, kept in held] == [(len(payload), payload) for payload, _ in held]
        assert os.listdir(folder) == []  # what is there has no name
        del held[:]
        assert store.memory_bytes == 0
        assert open_files() <= before + 1  # the segment that is written to
        del store
    assert open_files() == before


def test_without_a_disk_it_stays_in_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Spill(10, tmp_path / "none")
    kept = [store.keep(bytes(8)) for _ in range(3)]
    assert [each.load() for each in kept] == [bytes(8)] * 3
    assert (store.memory_bytes, store.spilled) == (24, 0)
    assert len(caplog.records) == 1
    assert "keeps more in memory than it may" in caplog.text


def tasks(*names: str) -> TaskGraph:
    found = {name: Task(name=name, script="x.py", children=("join",)) for name in names}
    return TaskGraph({**found, "join": Task(name="join", script="x.py", children=("home",))}, names)


def test_a_join_holds_handles_and_lets_them_go(tmp_path: Path) -> None:
    store = Spill(BUDGET_BYTES, tmp_path)
    flow = Flow(graph=tasks("a", "b"), task="join", incarnation="join-1", draw=lambda: 1)
    numbers = {"a": 0, "b": 0}

    def send(source: str, root: int, attempt: int = 1) -> list[Job]:
        numbers[source] += 1
        part = Part(root, attempt, root, f"r-{root}", f"{source}{root}".encode().ljust(40), "", None)
        flow.frame(store.keep_frame(Frame(f"{source}-1", numbers[source], 0, 0, source, "h", [part])))
        return flow.take(10)

    for root in range(10):
        assert send("a", root) == []
    assert (store.memory_bytes, store.spilled) == (80, 8)
    for root in range(9):
        (job,) = send("b", root)
        assert loaded(job.inputs) == {"a": f"a{root}".encode().ljust(40), "b": f"b{root}".encode().ljust(40)}
        flow.done(job, [])
        del job
    assert store.memory_bytes <= 40  # of the last root's
    send("a", 9, attempt=2)  # a newer attempt discards the older one's parts
    flow._forget_heads({"h"})
    assert store.memory_bytes == 0
