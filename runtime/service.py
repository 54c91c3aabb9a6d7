"""The shell every process of ours runs in: event loop, signals, background tasks, logging, exit code.

Stopping is not cancelling: SIGTERM and SIGINT set `Service.stopping`, and `main` finishes what it holds and
returns. A second signal ends the process at once; its children die with it. The only importer of `uvloop`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from runtime.bus_errors import BusClosed
from runtime.errors import JupiterError, UsageError
from runtime.log_limit import LogLimit

logger = logging.getLogger(__name__)

LOG_VARIABLE = "JUPITER_LOG"
LOG_DEFAULT = "warning"
EXIT_DONE, EXIT_FAILED, EXIT_USAGE = 0, 1, 2


class TaskFailedError(JupiterError):
    """A background task ended that should not have."""


class Service:
    """What `main` is given."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stopping = asyncio.Event()
        """Set by the first signal, or by `stop`."""
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Ask `main` to finish."""
        self.stopping.set()

    async def pause(self, changed: asyncio.Event, longest_s: float) -> None:
        """Until something has changed, we are to stop, or the time is over; the event is cleared."""
        waiting = [asyncio.ensure_future(event.wait()) for event in (self.stopping, changed)]
        await asyncio.wait(waiting, timeout=longest_s, return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()
        changed.clear()

    def start(self, name: str, work: Coroutine[Any, Any, object], *, may_finish: bool = False) -> asyncio.Task[None]:
        """A background task. That it fails, or returns before we stop, ends the service, by this name.

        What still runs when `main` has returned is cancelled.
        """
        task = self._group.create_task(self._guard(name, work, may_finish), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guard(self, name: str, work: Coroutine[Any, Any, object], may_finish: bool) -> None:
        try:
            await work
        except BusClosed:
            if not self.stopping.is_set():
                raise TaskFailedError(f"{name} stopped: the bus is closed") from None
        except JupiterError as exc:
            raise TaskFailedError(f"{name} failed: {exc}") from exc
        except Exception as exc:
            raise TaskFailedError(f"{name} failed: {type(exc).__name__}: {exc}") from exc
        else:
            if not (may_finish or self.stopping.is_set()):
                raise TaskFailedError(f"{name} ended although the service was not stopping")

    async def _run(self, main: Callable[[Service], Coroutine[Any, Any, None]]) -> None:
        async with self._group:
            await main(self)
            self.stopping.set()
            for task in self._tasks:
                task.cancel()


def run(main: Callable[[Service], Coroutine[Any, Any, None]], *, name: str) -> int:
    """Run a service until `main` returns; returns the exit code (0 done, 1 failed, 2 bad usage)."""
    set_up_logging(name)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(main, name))
    except BaseExceptionGroup as exc:
        return _report(name, _first(exc))
    except (Exception, KeyboardInterrupt) as exc:
        return _report(name, exc)
    return EXIT_DONE


async def _serve(main: Callable[[Service], Coroutine[Any, Any, None]], name: str) -> None:
    service = Service(name)
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if service.stopping.is_set():
            _leave_now(name, number)
        logger.info("%s: stopping", number.name)
        service.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    await service._run(main)


def _leave_now(name: str, number: signal.Signals) -> NoReturn:
    sys.stderr.write(f"{name}: {number.name} again, leaving at once\n")
    sys.stderr.flush()
    os._exit(128 + number)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not on this platform: the standard loop does
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended the service; the others are usually its consequences."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _report(name: str, error: BaseException) -> int:
    """One sentence for the user; the traceback is for those who asked for it."""
    logger.debug("the service failed", exc_info=error)
    text = str(error) if isinstance(error, JupiterError) else f"{type(error).__name__}: {error}"
    sys.stderr.write(f"{name}: {text}\n")
    return EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED


class _OneLine(logging.Formatter):
    """A record is a line, so that the logs of many processes can be mixed; tracebacks stay whole for debugging."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if logging.getLogger().level <= logging.DEBUG else text.replace("\n", " | ")


def set_up_logging(name: str) -> None:
    """Log to stderr, from the level that JUPITER_LOG names (debug, info, warning, error)."""
    wanted = os.environ.get(LOG_VARIABLE, LOG_DEFAULT).upper()
    level = logging.getLevelNamesMapping().get(wanted)
    handler = logging.StreamHandler()
    handler.addFilter(LogLimit(time.monotonic))
    handler.setFormatter(_OneLine(f"%(asctime)s %(levelname)s {name} %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING if level is None else level, handlers=[handler], force=True)
    if level is None:
        logger.warning("%s=%s is not a level: debug, info, warning or error", LOG_VARIABLE, wanted.lower())
