"""`jupiter run`: one application from its folder to its results, on this machine.

Everything that can be wrong with the call is found before anything is started (`plan_run`); then everything is
started at once, and what is started is ended with the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy import dead, progress, report
from deploy.ingest import check_input
from deploy.local import HURRY_GRACE_S, LocalJupiter, LocalPlan, local_jupiter
from deploy.nodes import check_fits, local_nodes
from deploy.report import Figures
from deploy.results import check_output
from deploy.sampling import sample_file
from deploy.stream import Stream, StreamPlan
from deploy.submit import Prepared, prepare, put, read_mapping, wait_in_place
from deploy.troubles import LETTERS
from deploy.watch import Watch
from runtime import subjects
from runtime.app import App
from runtime.errors import JupiterError, UsageError
from runtime.mapping import TaskMapping
from runtime.server import LOOPBACK
from runtime.server_checks import check_address, find_binary
from runtime.service import Service
from runtime.wave import is_placed_by_agents

SHOW_S = 0.1
SETTLE_S = 2.0
"""For the last beats, which are half a second apart."""
FIRST_LETTERS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """`jupiter run` as it was called."""

    folder: Path
    nodes: str | None = None
    source: str | None = None
    output: str | None = None
    is_once: bool = False
    mapper: str | None = None
    objective: str | None = None
    mapping: Path | None = None
    report: Path | None = None
    port: int | None = None
    host: str = LOOPBACK
    keep: Path | None = None
    drain_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """A run that can begin."""

    prepared: Prepared
    local: LocalPlan
    stream: StreamPlan
    mapping: TaskMapping | None
    report: Path | None


def _check_apart(files: dict[str, str | Path | None]) -> None:
    """Nothing that is written may be what is read, or something else that is written."""
    seen: dict[Path, str] = {}
    for option, path in files.items():
        if path is None or str(path) == "-":
            continue
        other = seen.setdefault(Path(path).resolve(), option)
        if other != option:
            raise UsageError(f"{other} and {option} are the same file, {path}: one would destroy the other")


def plan_run(options: RunOptions) -> RunPlan:
    """Check everything that can be checked; raises UsageError (AppError), and nothing was started."""
    objective = options.objective or ("makespan" if options.is_once else None)
    if options.source is not None:
        check_input(options.source)
    prepared = prepare(options.folder, options.mapper, objective, options.source)
    app = prepared.app
    nodes = local_nodes(options.nodes, app)
    names = [node.name for node in nodes]
    check_fits(app, names)
    source = options.source
    if options.is_once and source is None:
        source = _sample(options.folder, app)
    check_output(options.output)
    if options.report is not None:
        check_output(str(options.report))
    _check_apart({"--input": source, "--output": options.output, "--report": options.report})
    mapping = None if options.mapping is None else read_mapping(options.mapping, app, names)
    check_address(options.host, options.port)
    find_binary()
    return RunPlan(
        prepared=prepared,
        local=LocalPlan(
            nodes=nodes,
            port=options.port,
            host=options.host,
            has_mapper=mapping is None and not is_placed_by_agents(app),
            store=options.keep,
        ),
        stream=StreamPlan(source=source, output=options.output, is_once=options.is_once, drain_s=options.drain_s),
        mapping=mapping,
        report=options.report,
    )


def _sample(folder: Path, app: App) -> str:
    """What a single item is when nobody names another."""
    file = sample_file(folder, app)
    if file is None:
        raise UsageError("--once takes one item from --input FILE; name a file, or give an entry task a sample_input")
    return str(file)


async def run_plan(service: Service, plan: RunPlan, show: progress.Progress) -> dict[str, Any]:
    """Start, run, stop; the report. Raises JupiterError when not all that entered was finished."""
    figures = Figures(started_s=asyncio.get_running_loop().time())
    async with local_jupiter(service, plan.local, show.say) as local:
        show.say(f"NATS at {local.server.url}")
        return await hurried(service, local, _run(service, local, plan, show, figures))


async def hurried(service: Service, local: LocalJupiter, work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """`work`, given up at once on a second Ctrl-C: what has started is then stopped without much grace."""
    loop = asyncio.get_running_loop()
    hurry = asyncio.Event()

    def on_signal() -> None:
        if service.stopping.is_set():
            hurry.set()
        service.stop()

    # In place of the service's own, whose second signal ends the process with its files still there.
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    tasks = [asyncio.create_task(work, name="run"), asyncio.create_task(hurry.wait(), name="hurry")]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0].done():
            return tasks[0].result()  # type: ignore[return-value] # the first of the two is the work
        raise JupiterError("stopped at once; what was in flight gave no result")
    except JupiterError:
        # What it held gives no result any more: nobody need wait for it.
        local.grace_s = HURRY_GRACE_S
        raise
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _run(
    service: Service, local: LocalJupiter, plan: RunPlan, show: progress.Progress, figures: Figures
) -> dict[str, Any]:
    app = plan.prepared.app
    await put(local.bus, plan.prepared, plan.mapping)
    async with Watch(local.bus, app.name) as watch:
        if await _in_place(service, watch, plan, show):
            show.say(progress.placed(watch.picture))

            def flowing(stream: Stream) -> None:
                line = progress.flowing(
                    figures,
                    stream.rate_per_s,
                    is_full=stream.is_full,
                    trouble=stream.trouble,
                    unburied=int(watch.picture.level(LETTERS)),
                )
                show.show("flowing", line)

            await Stream(local.bus, app, plan.stream, figures, flowing).run(service.stopping)
            await _last_beats(watch)
        figures.is_stopped = service.stopping.is_set()
        figures.restarts = local.supervisor.restarts
        figures.dead_letters, letters = await dead.first(local.bus, app.name, FIRST_LETTERS)
        found = report.build(app, watch.picture, figures, letters, is_once=plan.stream.is_once)
    if plan.report is not None:
        plan.report.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return found


async def _in_place(service: Service, watch: Watch, plan: RunPlan, show: progress.Progress) -> bool:
    """Wait until items can flow, and say what is waited for; False when stopped before."""
    app = plan.prepared.app
    nodes = len(plan.local.nodes)
    waiting = asyncio.create_task(wait_in_place(watch, app), name="in place")
    stopping = asyncio.create_task(service.stopping.wait(), name="stopping")
    try:
        while not (waiting.done() or stopping.done()):
            await asyncio.wait((waiting, stopping), timeout=SHOW_S, return_when=asyncio.FIRST_COMPLETED)
            show.show(*progress.preparing(watch.picture, app, nodes, measures=plan.mapping is None))
        if waiting.done():
            waiting.result()
        return waiting.done()
    finally:
        for task in (waiting, stopping):
            task.cancel()
        await asyncio.gather(waiting, stopping, return_exceptions=True)


async def _last_beats(watch: Watch) -> None:
    """Wait until everybody has said how it ended; who does not is reported as last heard."""
    before = {name: beat.number for name, beat in watch.picture.beats.items() if beat.task not in subjects.DECIDERS}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_S):
            await watch.until(
                lambda picture: all(
                    name not in picture.beats or picture.beats[name].number > number for name, number in before.items()
                )
            )


async def run_empty(service: Service, plan: LocalPlan, show: progress.Progress) -> None:
    """A Jupiter without an application, until stopped."""

    async def wait() -> dict[str, Any]:
        await service.stopping.wait()
        return {}

    async with local_jupiter(service, plan, show.say) as local:
        show.say(f"Jupiter is up: export JUPITER_SERVER={local.server.url}")
        await hurried(service, local, wait())
