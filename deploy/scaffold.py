"""A new application that runs as it is, for its author to change: `jupiter new NAME`."""

from __future__ import annotations

from pathlib import Path

from runtime import subjects
from runtime.errors import UsageError

_CONFIG = """\
# Lines of text: clean -> measure -> home. `jupiter validate` checks this file and the scripts.
application:
  codec: json                # how values travel between tasks: bytes, text, json, msgpack
  # input: lines             # how a file becomes items: lines, whole, or a number of lines per item
  tasks:
    home:
      children: [clean]      # the tasks that inputs go to
    dag_tasks:
      - name: clean
        base_script: clean.py
        children: [measure]  # what process returns goes to all of them
        input_codec: text    # inputs are text, not JSON
        sample_input: sample_input/lines.txt   # what the profiler feeds it
      - name: measure
        base_script: measure.py
        children: [home]     # home: what it returns is a result
        # A task with several parents is a join and gets {parent: value}:
        # join: all          # all, any, a number of parts, or each
        # One that gathers gets a list of items:
        # gather: {count: 10, within_s: 5}
"""
_CLEAN = '''\
"""One item in, one value out: what `process` returns goes to all children."""


def process(line, ctx):
    text = line.strip()
    if not text:
        return None  # filtered: the item goes no further
    return text.lower()
'''
_MEASURE = '''\
"""`setup` runs once, before the first item; `ctx.logger` is what `jupiter tail APP TASK --log` shows."""

VOWELS = set()


def setup(ctx):
    VOWELS.update("aeiou")
    ctx.logger.info("%s is ready on %s", ctx.task, ctx.node)


def process(text, ctx):
    vowels = sum(letter in VOWELS for letter in text)
    return {"text": text, "letters": len(text), "vowels": vowels}
'''
_SAMPLE = """\
Many small machines

can do the work of a large one
"""
FILES = {
    "app_config.yaml": _CONFIG,
    "clean.py": _CLEAN,
    "measure.py": _MEASURE,
    "sample_input/lines.txt": _SAMPLE,
}


def create(path: Path) -> tuple[Path, ...]:
    """Write a minimal application into a new folder and return its files; raises UsageError."""
    name = path.absolute().name
    if not subjects.NAME.fullmatch(name) or name in subjects.RESERVED_APPS:
        rule = "use letters, digits, '-' and '_', and none of " + ", ".join(sorted(subjects.RESERVED_APPS))
        raise UsageError(f"'{name}' cannot name an application; {rule}")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"{path} is there already and not empty; choose another name")
    try:
        return tuple(_write(path / file, text) for file, text in FILES.items())
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be written: {error.strerror}") from error


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
