"""Commands about data: send, tail, dead."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.options import DEFAULT_SERVER, AppName, AsJson, Server, ask, print_json, print_table

if TYPE_CHECKING:
    from runtime.bus import Bus

group = typer.Typer()
PANEL = "Data"
dead = typer.Typer(no_args_is_help=True, help="Dead letters: items that failed for good, with their errors.")
group.add_typer(dead, name="dead", rich_help_panel=PANEL)

OneTask = Annotated[str | None, typer.Option("--task", metavar="TASK", help="Of this task only.")]


@group.command(rich_help_panel=PANEL)
def send(
    name: AppName,
    source: Annotated[str, typer.Argument(metavar="FILE|-", help="What to send; - is standard input.")] = "-",
    server: Server = DEFAULT_SERVER,
    as_json: AsJson = False,
) -> None:
    """Feed a file or standard input to an application, cut as its `input` says; waits while the ingress is full.

    Done means stored: every input sent is acknowledged by the ingress, exactly once.
    """
    from deploy.ingest import check_input
    from deploy.progress import progress
    from deploy.report import counted
    from deploy.sending import send_all

    check_input(source)
    show = progress()

    async def work(bus: Bus, stopping: asyncio.Event) -> int:
        return await send_all(bus, name, source, stopping, show)

    try:
        count = ask(server, work)
    finally:
        show.close()
    if as_json:
        print_json({"app": name, "acknowledged": count})
    else:
        typer.echo(f"{counted(count or 0, 'input')} of {name} acknowledged")


@group.command(rich_help_panel=PANEL)
def tail(
    name: AppName,
    task: Annotated[str | None, typer.Argument(metavar="TASK", help="What this task gives; else the results.")] = None,
    server: Server = DEFAULT_SERVER,
    log: Annotated[bool, typer.Option("--log", help="What the task prints and logs.")] = False,
    files: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Save results too large for a message as files there.")
    ] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Also the results that the egress still holds.")
    ] = False,
    count: Annotated[int | None, typer.Option("--count", "-n", min=1, help="End after so many lines.")] = None,
) -> None:
    """Show results, or a task's outputs, as they come, a JSON line each; reads beside everybody else. Ctrl-C ends it.

    seq is the input's sequence in the ingress. A task's outputs are all that come from when it says that it listens,
    but never so much that the pipeline would wait: at the end it says how many were left out.
    """
    from deploy import listening, tailing
    from deploy.dead import check_task
    from deploy.submit import find_app
    from runtime.errors import UsageError

    if task is None and log:
        raise UsageError("--log shows what one task prints: name the task behind the application")
    if task is not None and files is not None:
        raise UsageError("--files is of results: of what tasks give one another the line tells which object it is")
    if task is not None and from_start:
        raise UsageError("--from-start is of results: what tasks give one another is not kept")

    def say() -> None:
        typer.echo(f"tailing {name}{f', task {task}' if task else ''}; Ctrl-C ends it", err=True)

    async def work(bus: Bus, _: asyncio.Event) -> None:
        app = await find_app(bus, name)
        sources = {source.name for source in app.sources}
        check_task((*app.graph.tasks, *sources), task)
        if task is None:
            await tailing.results(bus, app, count, say, from_start=from_start, files=files)
        elif log:
            await tailing.logs(bus, app, task, count, say)
        elif task in sources:
            raise UsageError(f"{task} is a source, what it emits are inputs: tail what it feeds, or --log")
        else:
            await listening.outputs(bus, app, task, count, say)

    ask(server, work, is_endless=True)


@dead.command("list")
def dead_list(name: AppName, task: OneTask = None, server: Server = DEFAULT_SERVER, as_json: AsJson = False) -> None:
    """Every dead letter: task, item, error, attempts; with --json also the input and the traceback."""
    from deploy.dead import letters

    found = _with_app(server, name, task, lambda bus, _: letters(bus, name, task))
    if as_json:
        print_json(found)
        return
    columns = ("NUMBER", "TASK", "INPUT", "ID", "NODE", "ATTEMPTS", "ERROR")
    keys = ("number", "task", "seq", "id", "node", "attempts", "error")
    print_table("", columns, [tuple(each.get(key, "") for key in keys) for each in found], "no dead letters")


@dead.command("replay")
def dead_replay(name: AppName, task: OneTask = None, server: Server = DEFAULT_SERVER, as_json: AsJson = False) -> None:
    """Let the inputs behind dead letters enter again, each under its own id, and drop the letters.

    Only what follows from the items that failed comes out; what else followed from an input is there already.
    """
    from deploy.dead import replay
    from deploy.report import counted

    done = _with_app(server, name, task, lambda bus, app: replay(bus, app, task))
    if as_json:
        print_json({"sent": done.sent, "kept": done.kept})
        return
    typer.echo(f"sent again: {counted(done.sent, 'input')}")
    if done.kept:
        todo = "send it again yourself, then purge"
        typer.echo(f"kept, without the input behind it: {counted(done.kept, 'letter')} ({todo})", err=True)


@dead.command("purge")
def dead_purge(name: AppName, task: OneTask = None, server: Server = DEFAULT_SERVER, as_json: AsJson = False) -> None:
    """Drop dead letters."""
    from deploy.dead import purge
    from deploy.report import counted

    count = _with_app(server, name, task, lambda bus, _: purge(bus, name, task))
    if as_json:
        print_json({"purged": count})
    else:
        typer.echo(f"{counted(count, 'dead letter')} dropped")


def _with_app(server: str, name: str, task: str | None, act: Any) -> Any:
    from deploy.dead import check_task
    from deploy.submit import find_app

    async def work(bus: Bus, _: asyncio.Event) -> Any:
        app = await find_app(bus, name)
        check_task(tuple(app.graph.tasks), task)
        return await act(bus, app)

    return ask(server, work)
