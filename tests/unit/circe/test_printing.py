"""What user code prints, on its way into the pipe to the worker's parent."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest

from circe.printing import ITEM, Handler, Lines, Stream
from runtime import printed
from runtime.printed import BURST_LINES, Printed, Splitter


class Pipe:
    """Both ends; like a worker's, it never makes the writer wait."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        for end in (self.reader, self.writer):
            os.set_blocking(end, False)

    def read(self) -> list[Printed]:
        data = b""
        try:
            while piece := os.read(self.reader, 1 << 20):
                data += piece
        except BlockingIOError:
            pass
        found = [printed.decode(line) for is_marked, line in Splitter().feed(data) if is_marked]
        return [each for each in found if each is not None]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    os.close(made.reader)
    os.close(made.writer)


def test_lines_come_out_as_they_were_printed(pipe: Pipe) -> None:
    stream = Stream(Lines(pipe.writer, "node1"), "stdout", pipe.writer)
    ITEM.set("run-7")
    print("one", 1, file=stream)
    print("two\nthree", end="", file=stream)
    print(" and more", file=stream)
    print(file=stream)
    ITEM.set("")
    found = pipe.read()
    assert [each.line for each in found] == ["one 1", "two", "three and more", ""]
    assert {(each.level, each.node, each.item_id) for each in found} == {("stdout", "node1", "run-7")}


def test_what_is_flushed_is_said_at_once(pipe: Pipe) -> None:
    stream = Stream(Lines(pipe.writer, "node1"), "stderr", pipe.writer)
    print("half", end="", file=stream)
    assert pipe.read() == []
    stream.flush()
    stream.flush()
    assert [each.line for each in pipe.read()] == ["half"]


def test_log_records_take_a_line_each_and_tracebacks_several(pipe: Pipe) -> None:
    handler = Handler(Lines(pipe.writer, "node1"))
    record = logging.LogRecord("jupiter.app.task", logging.ERROR, "file", 1, "went %s\nwrong", ("very",), None)
    handler.handle(record)
    found = pipe.read()
    assert [(each.level, each.line) for each in found] == [("ERROR", "went very"), ("ERROR", "wrong")]
    handler.handle(logging.LogRecord("library", logging.INFO, "file", 1, "by another", (), None))
    assert [each.line for each in pipe.read()] == ["library: by another"]


def test_what_nobody_reads_is_left_out_and_counted(pipe: Pipe) -> None:
    lines = Lines(pipe.writer, "node1")
    for number in range(100):
        lines.write("stdout", f"{number} " + "x" * 2000)
    assert lines.left_out > 0
    found = pipe.read()
    assert sum(each.level == "stdout" for each in found) == 100 - lines.left_out
    assert [each.line.split(":")[0] for each in found if each.level == "WARNING"] == ["left out 1 lines"]


def test_a_flood_is_cut(pipe: Pipe) -> None:
    lines = Lines(pipe.writer, "node1")
    passed = 0
    for _ in range(BURST_LINES + 3000):
        lines.write("stdout", "x")
        passed += len(pipe.read())
    assert BURST_LINES <= passed < BURST_LINES + 3000
    assert passed + lines.left_out >= BURST_LINES + 3000
