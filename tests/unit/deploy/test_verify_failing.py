"""User code that `jupiter verify --failing` lets fail: only while it is told to, and as what it was otherwise."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from pathlib import Path

import pytest

from deploy import verify_failing

SCRIPTS = {
    "plain": "def process(item, ctx):\n    return item\n",
    "burst": "def process(item, ctx):\n    yield item\n",
    "later": "async def process(item, ctx):\n    return item\n",
    "stream": "async def process(item, ctx):\n    yield item\n",
}


async def given(output: object) -> object:
    if inspect.isgenerator(output):
        return next(output)
    if inspect.isasyncgen(output):
        return await anext(output)
    return await output if inspect.iscoroutine(output) else output


@pytest.mark.parametrize("kind", SCRIPTS)
def test_it_fails_while_the_flag_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(verify_failing, "SHARE", 1.0)
    monkeypatch.syspath_prepend(str(tmp_path))
    stem = f"some_{kind}"
    (tmp_path / f"{stem}.py").write_text(SCRIPTS[kind])
    flag = tmp_path / "flag"
    name = verify_failing.failing_script(tmp_path, f"{stem}.py", flag)
    made = importlib.import_module(Path(name).stem)
    assert asyncio.run(given(made.process(7, None))) == 7
    with verify_failing.begun(flag), pytest.raises(RuntimeError, match="as it happened"):
        asyncio.run(given(made.process(7, None)))
    assert asyncio.run(given(made.process(7, None))) == 7
