"""What dies is started again, under another name; what cannot live is given up with its last words."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from deploy import supervisor
from deploy.supervisor import Component, Supervisor
from runtime.errors import JupiterError, UsageError
from runtime.service import Service
from tests.waiting import until


def component(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> Component:
    """A module that is called with `--incarnation NAME`."""
    (tmp_path / "made_for_the_test.py").write_text(f"import signal, sys\n{source}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return Component(name="thing", kind="thing", node="home", arguments=("made_for_the_test",))


class Watched:
    """A supervisor, and what it said and buried."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.gone: list[str] = []
        self.supervisor = Supervisor(Service("test"), self._on_gone, self.said.append)

    async def _on_gone(self, _: Component, incarnation: str) -> None:
        self.gone.append(incarnation)

    async def until(self, lines: int) -> None:
        await until(lambda: len(self.said) >= lines)


async def test_a_killed_component_comes_back_under_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = component(tmp_path, monkeypatch, "print(sys.argv[-1], flush=True)\nsignal.pause()")
    watched = Watched()
    running = asyncio.create_task(watched.supervisor.run(wanted))
    for lives in (1, 2):
        await watched.until(lives)
        os.kill(watched.supervisor.pids()["thing"], signal.SIGKILL)
    await watched.until(3)
    await watched.supervisor.stop(2.0)
    await running
    assert watched.gone == watched.said[:2]
    assert len(set(watched.said)) == 3 and all(name.startswith("thing-") for name in watched.said)
    assert watched.supervisor.restarts == 2
    assert watched.supervisor.pids() == {}


async def test_what_never_lives_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE_S", 0.01)
    wanted = component(tmp_path, monkeypatch, "sys.exit('there is no camera')")
    watched = Watched()
    with pytest.raises(JupiterError, match="5 times in a row, at last with status 1: there is no camera"):
        await watched.supervisor.run(wanted)
    assert len(watched.gone) == 5


async def test_what_was_started_wrongly_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = component(tmp_path, monkeypatch, "print('a quota of 0 CPUs', file=sys.stderr)\nsys.exit(2)")
    watched = Watched()
    with pytest.raises(UsageError, match="it cannot run as it was started: a quota of 0 CPUs"):
        await watched.supervisor.run(wanted)
    assert len(watched.gone) == 1


async def test_who_does_not_leave_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\nwhile True:\n    signal.pause()"
    watched = Watched()
    running = asyncio.create_task(watched.supervisor.run(component(tmp_path, monkeypatch, source)))
    await watched.until(1)
    await watched.supervisor.stop(0.2)
    await running
    assert watched.gone == []
