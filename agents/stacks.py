"""Stacks as Python's faulthandler writes them when a process crashes or is asked to. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_THREAD = re.compile(r"^(Current thread|Thread) 0x[0-9a-f]+")
_FATAL = "Fatal Python error"
_OF_USER_CODE = "calling.py"
"""The module that calls user code is on its stack, and on no other."""


def is_of_dump(line: str) -> bool:
    """Whether a line is one that faulthandler writes when it is asked for stacks."""
    return not line or bool(_THREAD.match(line)) or line.startswith("  File ")


def last_stack(lines: Iterable[str]) -> str:
    """Where user code was in the last of the dumps among these lines; empty where it was nowhere.

    That is the stack with the call of user code on it; of a crash else the stack that crashed, because user code
    may have threads of its own.
    """
    found: list[str] = []
    stack: list[str] = []
    is_crash = False
    for line in lines:
        if line.startswith(_FATAL):
            is_crash, found = True, []
        elif thread := _THREAD.match(line):
            stack = []
            if is_crash and thread[1] == "Current thread":
                found = stack
        elif line.startswith("  "):
            stack.append(line)
            if _OF_USER_CODE in line:
                found = stack
    return "\n".join(found)
