"""The service shell as its processes are: signals, background tasks, exit codes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from tests.waiting import DEADLINE_S

PROLOGUE = """
import asyncio, logging, sys
from runtime.bus_errors import BusClosed
from runtime.errors import TransportError, UsageError
from runtime.service import Service, run

async def forever():
    await asyncio.Event().wait()

async def soon(error=None):
    await asyncio.sleep(0.01)
    if error is not None:
        raise error

def say(word):
    print(word, flush=True)
"""


class Running:
    """A service in a process; `main` is the body of its main function."""

    def __init__(self, main: str, **environment: str) -> None:
        body = textwrap.indent(textwrap.dedent(main), "    ")
        script = f"{PROLOGUE}\nasync def main(service):\n{body}\n\nsys.exit(run(main, name='svc'))\n"
        self._process = asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            script,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
        )

    async def end(self, *signals: signal.Signals) -> tuple[int, str, str]:
        """Send a signal after each line it prints; returns exit code, what it printed, what it said."""
        process = await self._process
        assert process.stdout is not None
        said = b""
        async with asyncio.timeout(DEADLINE_S):
            for number in signals:
                said += await process.stdout.readline()
                process.send_signal(number)
            out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, (said + out).decode(), err.decode()


async def test_main_returns_and_background_tasks_are_ended() -> None:
    main = """
        service.start("for ever", forever())
        service.start("soon", soon(), may_finish=True)
        await asyncio.sleep(0.05)
        say("done")
    """
    assert await Running(main).end() == (0, "done\n", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_and_does_not_cancel(number: signal.Signals) -> None:
    main = """
        say("up")
        await service.stopping.wait()
        await asyncio.sleep(0.05)
        say("drained")
    """
    assert await Running(main).end(number) == (0, "up\ndrained\n", "")


async def test_a_second_signal_leaves_at_once() -> None:
    main = """
        say("up")
        await service.stopping.wait()
        say("draining")
        await forever()
    """
    code, out, err = await Running(main).end(signal.SIGINT, signal.SIGTERM)
    assert (code, out) == (128 + signal.SIGTERM, "up\ndraining\n")
    assert err == "svc: SIGTERM again, leaving at once\n"


@pytest.mark.parametrize(
    "work, sentence",
    [
        ("soon()", "watch ended although the service was not stopping"),
        ("soon(ValueError('what'))", "watch failed: ValueError: what"),
        ("soon(TransportError('no server'))", "watch failed: no server"),
        ("soon(BusClosed('closed'))", "watch stopped: the bus is closed"),
    ],
)
async def test_a_background_task_that_ends_ends_the_service_by_name(work: str, sentence: str) -> None:
    main = f"""
        service.start("watch", {work})
        await forever()
    """
    assert await Running(main).end() == (1, "", f"svc: {sentence}\n")


async def test_ending_while_stopping_is_no_failure() -> None:
    main = """
        service.start("watch", soon(BusClosed("closed")))
        service.stop()
        await asyncio.sleep(0.1)
    """
    assert await Running(main).end() == (0, "", "")


@pytest.mark.parametrize(
    "error, code, sentence",
    [
        ("UsageError('port 1 is taken')", 2, "port 1 is taken"),
        ("TransportError('no server')", 1, "no server"),
        ("KeyError('x')", 1, "KeyError: 'x'"),
    ],
)
async def test_errors_are_one_sentence_and_a_code(error: str, code: int, sentence: str) -> None:
    assert await Running(f"raise {error}").end() == (code, "", f"svc: {sentence}\n")


async def test_logging_is_a_line_per_record_from_the_level_asked_for() -> None:
    main = """
        logging.getLogger("x").info("hidden")
        try:
            1 / 0
        except ZeroDivisionError:
            logging.getLogger("x").exception("broken")
    """
    _, _, err = await Running(main).end()
    assert len(err.splitlines()) == 1
    assert "ERROR svc x: broken | Traceback" in err
    _, _, err = await Running(main, JUPITER_LOG="debug").end()
    assert "INFO svc x: hidden" in err
    assert "\nZeroDivisionError" in err
    _, _, err = await Running(main, JUPITER_LOG="loud").end()
    assert "JUPITER_LOG=loud is not a level" in err
