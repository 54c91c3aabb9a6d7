"""Commands about applications: submit, delete, apps, new, validate."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.options import DEFAULT_SERVER, NO_APPS, AppName, AsJson, Folder, Server, ask, print_json, print_table

if TYPE_CHECKING:
    from runtime.bus import Bus

group = typer.Typer()
PANEL = "Applications"

Timeout = Annotated[float, typer.Option(metavar="SECONDS", min=0.0, help="How long to wait.")]


@group.command(rich_help_panel=PANEL)
def submit(
    folder: Folder,
    server: Server = DEFAULT_SERVER,
    mapper: Annotated[str | None, typer.Option(metavar="NAME", help="Who decides where tasks run.")] = None,
    objective: Annotated[
        str | None, typer.Option(metavar="period|makespan", help="What the mapping is to be good at.")
    ] = None,
    mapping: Annotated[Path | None, typer.Option(metavar="FILE", help="A ready-made mapping.")] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until items flow through this version.")] = True,
    timeout: Timeout = 60.0,
    as_json: AsJson = False,
) -> None:
    """Run an application, or new code of one that runs, on a running Jupiter."""
    from deploy.submit import prepare, read_mapping, submit_app

    prepared = prepare(folder, mapper, objective)
    app = prepared.app
    given = None if mapping is None else read_mapping(mapping, app)

    async def work(bus: Bus, _: asyncio.Event) -> dict[str, Any]:
        return await submit_app(bus, prepared, given, timeout if wait else None)

    found = ask(server, work)
    if as_json:
        print_json(found)
    elif found is not None:
        where = ", ".join(f"{task} on {node}" for task, node in found.get("mapping", {}).items())
        typer.echo(f"{app.name} {app.digest[:12]}: {found['state']}" + (f"; {where}" if where else ""))


@group.command(rich_help_panel=PANEL)
def delete(name: AppName, server: Server = DEFAULT_SERVER, timeout: Timeout = 30.0) -> None:
    """Take an application away, with its queues, results and dead letters."""
    from deploy.submit import delete as take_away

    async def work(bus: Bus, _: asyncio.Event) -> None:
        await take_away(bus, name, timeout)

    ask(server, work)
    typer.echo(f"{name}: deleted")


@group.command(rich_help_panel=PANEL)
def apps(server: Server = DEFAULT_SERVER, as_json: AsJson = False) -> None:
    """The applications of a running Jupiter."""
    from deploy.submit import find_apps

    async def work(bus: Bus, _: asyncio.Event) -> list[dict[str, Any]]:
        return [
            {
                "app": app.name,
                "digest": app.digest,
                "tasks": list(app.graph.order),
                "mapper": app.mapper,
                "objective": app.objective,
                "codec": app.codec,
            }
            for app in (await find_apps(bus)).values()
        ]

    found = ask(server, work) or []
    if as_json:
        print_json(found)
    else:
        rows = [
            (each["app"], each["digest"][:12], len(each["tasks"]), each["mapper"], each["objective"]) for each in found
        ]
        print_table("", ("APP", "CODE", "TASKS", "MAPPER", "OBJECTIVE"), rows, NO_APPS)


@group.command(rich_help_panel=PANEL)
def new(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The folder to make; its name is the application's.")],
) -> None:
    """Write a small application that runs as it is, to begin from."""
    from deploy.scaffold import create

    for file in create(path):
        typer.echo(file)
    typer.echo(f"now: jupiter run {path} --once")


@group.command(rich_help_panel=PANEL)
def validate(folder: Folder, as_json: AsJson = False) -> None:
    """Check an application's folder: every fault at once, each with its place. Exit code 2 if there is one."""
    from deploy.report import counted
    from runtime.app_config import examine

    report = examine(folder)
    if as_json:
        described = {
            "app": None if report.app is None else report.app.name,
            "faults": [{"place": fault.place, "message": fault.message} for fault in report.faults],
            "warnings": [{"place": fault.place, "message": fault.message} for fault in report.warnings],
        }
        print_json(described)
    else:
        for fault in report.faults:
            typer.echo(str(fault), err=True)
        for warning in report.warnings:
            typer.echo(f"{warning} (a warning)", err=True)
        if report.app is not None:
            graph = report.app.graph
            order, ends = " -> ".join(graph.order), ", ".join(graph.results)
            typer.echo(f"{report.app.name}: {counted(len(graph.tasks), 'task')}, {order}; results from {ends}")
    if report.app is None:
        raise typer.Exit(2)
