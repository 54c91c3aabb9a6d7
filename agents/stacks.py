"""Stacks as Python's faulthandler writes them when a process crashes or is asked to. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_THREAD = re.compile(r"^(Current thread|Thread) 0x[0-9a-f]+")
_OF_USER_CODE = "calling.py"
"""The module that calls user code is on its stack, and on no other."""


def last_stack(lines: Iterable[str]) -> str:
    """The stack of the thread that ran user code, in the last of the dumps among these lines; empty without one."""
    found: list[str] = []
    stack: list[str] | None = None
    for line in lines:
        if _THREAD.match(line):
            stack = [line]
        elif stack is not None and line.startswith("  "):
            stack.append(line)
            if _OF_USER_CODE in line:
                found = stack
        else:
            stack = None
    return "\n".join(found[1:])
