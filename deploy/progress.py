"""What a command says while it works, on stderr: one changing line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from deploy.report import Figures
from deploy.watch import Picture
from runtime.app import App
from runtime.network import HOME
from runtime.units import seconds

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

PLAIN_EVERY_S = 2.0


class Progress(Protocol):
    """Where progress goes."""

    def say(self, line: str) -> None:
        """One line that stays."""

    def show(self, phase: str, text: str) -> None:
        """What happens now; replaces what was shown before."""

    def close(self) -> None:
        """Nothing changes any more."""


class Silent:
    """For commands whose output others read: what stays is said, what changes is not."""

    def say(self, line: str) -> None:
        _write(line)

    def show(self, phase: str, text: str) -> None: ...

    def close(self) -> None: ...


class Plain:
    """Lines, now and then: for logs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, write: Callable[[str], None] | None = None) -> None:
        self._clock = clock
        self._write = write or _write
        self._phase = ""
        self._last = ("", -PLAIN_EVERY_S)

    def say(self, line: str) -> None:
        self._write(line)

    def show(self, phase: str, text: str) -> None:
        line, said_s = self._last
        is_due = phase != self._phase or self._clock() - said_s >= PLAIN_EVERY_S
        if is_due and text != line:
            self._phase, self._last = phase, (text, self._clock())
            self._write(text)

    def close(self) -> None: ...


class Live:
    """One changing line on a terminal."""

    def __init__(self) -> None:
        from rich.console import Console  # only for those who look

        self._console: Console = Console(stderr=True, highlight=False)
        self._status: Status | None = None

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)

    def show(self, phase: str, text: str) -> None:
        if self._status is None:
            self._status = self._console.status("")
            self._status.start()
        from rich.text import Text

        self._status.update(Text(text))

    def close(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


def progress(*, is_quiet: bool = False) -> Progress:
    """The right one for where stderr goes."""
    if is_quiet:
        return Silent()
    return Live() if sys.stderr.isatty() else Plain()


def _write(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def preparing(picture: Picture, app: App, node_count: int, *, measures: bool) -> tuple[str, str]:
    """The phase and the words for it, until items can flow."""
    tasks = len(app.graph.tasks)
    if picture.mapping is None and measures:
        profiled = len({task for (task, _), found in picture.executions.items() if found.digest == app.digest})
        links = sum(1 for row in picture.links.values() for link in row.links.values() if link.samples)
        message = picture.mapper_message(app)
        text = f"profiling: {profiled}/{tasks} tasks, {links}/{node_count * (node_count - 1)} links"
        return "profiling", f"{text}; {message}" if message else text
    ready = picture.ready(app)
    missing = ", ".join(task for task in app.graph.tasks if task not in ready) or "the gateway"
    waits = picture.dispatcher_message() or f"waiting for {missing}"
    return "starting", f"starting: {len(ready)}/{tasks} workers ready; {waits}"


def placed(picture: Picture) -> str:
    """The mapping in one line."""
    mapping = picture.mapping
    if mapping is None:
        return "there is no mapping"
    where = ", ".join(f"{task} on {node}" for task, node in mapping.assignment.items() if task != HOME)
    predicted = [
        f"{what} {seconds(value)}"
        for what, value in (("makespan", mapping.makespan_s), ("period", mapping.period_s))
        if value is not None
    ]
    return f"mapping ({mapping.algorithm}): {where}" + (f"; predicted {', '.join(predicted)}" if predicted else "")


def flowing(figures: Figures, rate_per_s: float, *, is_full: bool, trouble: str, unburied: int = 0) -> str:
    """The counters of a run in one line."""
    if trouble:
        return f"waiting for the server: {trouble}"
    if not figures.stored:
        return "waiting for inputs"
    text = f"{figures.stored:,} in, {figures.ended:,} ended, {figures.written:,} results, {rate_per_s:,.0f} items/s"
    if unburied:
        return f"{text}; no room for {unburied:,} dead letters (limits.dead_bytes), waiting"
    return f"{text}; the ingress is full, waiting" if is_full else text
