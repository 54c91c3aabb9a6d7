"""Tasks as if their user code failed at one time and not at another, for `jupiter verify --failing`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

SHARE = 0.3
"""Of calls that fail, once the faults have begun."""
WRAPPER = """\
import inspect
import pathlib
import random

from {stem} import *
from {stem} import process as _process

_CHANCE = random.Random()  # another one in each process: what fails once need not fail again


def _fail():
    if pathlib.Path({flag!r}).exists() and _CHANCE.random() < {share}:
        raise RuntimeError("as it happened")


if inspect.isgeneratorfunction(_process):

    def process(item, ctx):
        _fail()
        yield from _process(item, ctx)

elif inspect.isasyncgenfunction(_process):

    async def process(item, ctx):
        _fail()
        async for output in _process(item, ctx):
            yield output

elif inspect.iscoroutinefunction(_process):

    async def process(item, ctx):
        _fail()
        return await _process(item, ctx)

else:

    def process(item, ctx):
        _fail()
        return _process(item, ctx)
"""


def failing_script(folder: Path, script: str, flag: Path) -> str:
    """Write one that fails while `flag` exists, beside the task's own; its name."""
    own = Path(script)
    name = own.with_name(f"failing_{own.name}")
    (folder / name).write_text(WRAPPER.format(stem=own.stem, flag=str(flag), share=SHARE), encoding="utf-8")
    return str(name)


@contextlib.contextmanager
def begun(flag: Path) -> Iterator[None]:
    """User code may fail in the meantime."""
    flag.touch()
    try:
        yield
    finally:
        flag.unlink(missing_ok=True)
