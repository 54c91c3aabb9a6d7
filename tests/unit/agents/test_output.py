"""What a worker prints, as its agent reads it and passes it on."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from agents.output import Output
from runtime.printed import BURST_LINES, Printed, records


class Passed:
    """Takes what is passed on; a bus that is `full` does not."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.echoed: list[str] = []
        self.is_full = False

    def publish(self, line: bytes) -> bool:
        if not self.is_full:
            self.lines.append(json.loads(line))
        return not self.is_full


def output(passed: Passed) -> tuple[Output, int]:
    """An output, and the worker's end of its pipe."""
    made = Output("work", "node1", publish=passed.publish, echo=passed.echoed.append, item=lambda: "run-9")
    worker = os.dup(made.descriptor)
    os.set_blocking(worker, False)
    made.started()
    return made, worker


async def test_lines_of_every_kind_are_passed_on() -> None:
    passed = Passed()
    made, worker = output(passed)
    os.write(worker, b"from C\n")
    os.write(worker, b"".join(records(Printed(5.0, "stdout", "node1", "run-7", "printed"))))
    os.write(worker, b"no end")
    os.close(worker)
    made.end()
    made.end()
    kept = [(line["level"], line["id"], line["line"]) for line in passed.lines]
    assert kept == [("output", "run-9", "from C"), ("stdout", "run-7", "printed"), ("output", "run-9", "no end")]
    assert passed.echoed[:2] == ["work output [run-9]: from C", "work stdout [run-7]: printed"]


async def test_they_are_passed_on_while_the_worker_lives() -> None:
    passed = Passed()
    made, worker = output(passed)
    os.write(worker, b"early\n")
    for _ in range(5):
        await asyncio.sleep(0)
    assert [line["line"] for line in passed.lines] == ["early"]
    os.close(worker)
    made.end()


async def test_whoever_prints_too_much_is_read_all_the_same() -> None:
    passed = Passed()
    made, worker = output(passed)
    written = 0
    for _ in range(50):
        written += os.write(worker, b"x\n" * 1000) // 2
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    os.close(worker)
    made.end()
    assert written == 50_000
    *lines, last = passed.lines
    assert 2 * BURST_LINES <= len(lines) < 20_000
    assert last["level"] == "WARNING"
    assert last["line"].startswith("left out ")


async def test_what_the_bus_does_not_take_is_counted() -> None:
    passed = Passed()
    made, worker = output(passed)
    passed.is_full = True
    os.write(worker, b"lost\nlost\n")
    os.close(worker)
    for _ in range(5):
        await asyncio.sleep(0)
    passed.is_full = False
    made.end()
    assert [line["line"].split(":")[0] for line in passed.lines] == ["left out 2 lines"]


async def test_the_stack_of_a_crash_is_kept() -> None:
    made, worker = output(Passed())
    os.write(
        worker, b"Fatal Python error: Aborted\n\nCurrent thread 0x00007f (most recent call first):\n  File a, line 1\n"
    )
    os.close(worker)
    made.end()
    assert made.stack() == "  File a, line 1"


async def test_of_the_stacks_that_were_asked_for_only_user_code_is_passed_on() -> None:
    passed = Passed()
    made, worker = output(passed)
    made.expect_dump()
    os.write(
        worker, b"Thread 0x00007f (most recent call first):\n  File work.py, line 4\n  File calling.py, line 1\n\n"
    )
    os.write(
        worker, b"Current thread 0x00007e (most recent call first):\n  File runners.py, line 1\nprinted beside it\n"
    )
    os.close(worker)
    made.end()
    assert [line["line"] for line in passed.lines] == [
        "printed beside it",
        "  File work.py, line 4",
        "  File calling.py, line 1",
    ]
