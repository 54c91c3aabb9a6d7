"""Commands that look at a running Jupiter: status, nodes, links, mapping, profile, doctor."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.options import DEFAULT_SERVER, NO_APPS, AppName, AsJson, Server, ask, print_json, print_table

if TYPE_CHECKING:
    from runtime.bus import Bus

group = typer.Typer()
PANEL = "Look"
NO_NODES = "no nodes: start `jupiter agent --node NAME` on every machine"
NO_LINKS = "no links: none is measured yet, or there are fewer than two nodes"
NO_TIMES = "no times: nothing of this version is measured yet"


@group.command(rich_help_panel=PANEL)
def status(
    name: Annotated[str | None, typer.Argument(metavar="[APP]", help="One application, worker by worker.")] = None,
    server: Server = DEFAULT_SERVER,
    as_json: AsJson = False,
) -> None:
    """What runs and how it goes: state, rates, what is in flight, waiting, unread, dead."""
    from deploy import status as looking
    from deploy import tables
    from deploy.submit import find_app, find_apps

    async def work(bus: Bus, _: asyncio.Event) -> list[dict[str, Any]]:
        apps = [await find_app(bus, name)] if name else list((await find_apps(bus)).values())
        return [await looking.app_status(bus, app) for app in apps]

    found = ask(server, work) or []
    if as_json:
        print_json(found[0] if name else found)
        return
    print_table("", tables.APP_COLUMNS, [tables.app_row(each) for each in found], NO_APPS)
    for each in found:
        if tables.brief(each["state"]) != each["state"]:
            typer.echo(f"{each['app']}: {each['state']}")
        if tables.is_news(each):
            typer.echo(f"{each['app']}: the dispatcher says: {each['dispatcher']}")
        for trouble in each["troubles"]:
            typer.echo(f"{each['app']}: {trouble['what']}: {trouble['todo']}")
    if name:
        print_table("", tables.WORKER_COLUMNS, [tables.worker_row(each) for each in found[0]["workers"]])
        if queues := found[0]["queues"]:
            print_table("", tables.QUEUE_COLUMNS, [tables.queue_row(task, each) for task, each in queues.items()])
        for worker in found[0]["workers"]:
            if count := worker["counts"].get("refused"):
                typer.echo(f"{worker['incarnation']} has refused {count:,} messages that are none of ours", err=True)
        for failure in found[0]["failures"]:
            typer.echo(f"task {failure['task']} cannot start on {failure['node']}: {failure['message']}", err=True)


@group.command(rich_help_panel=PANEL)
def nodes(server: Server = DEFAULT_SERVER, as_json: AsJson = False) -> None:
    """The nodes: what each has and how busy it is, with the age of that."""
    from deploy import status as looking
    from deploy import tables

    found = ask(server, lambda bus, _: looking.nodes(bus)) or []
    if as_json:
        print_json(found)
    else:
        print_table("", tables.NODE_COLUMNS, [tables.node_row(node) for node in found], NO_NODES)


@group.command(rich_help_panel=PANEL)
def links(server: Server = DEFAULT_SERVER, as_json: AsJson = False) -> None:
    """The links between the nodes: latency and bandwidth, from the row's node to the column's."""
    from deploy import status as looking
    from deploy import tables

    found = ask(server, lambda bus, _: looking.links(bus)) or []
    if as_json:
        print_json(found)
    else:
        columns, rows = tables.link_matrix(found)
        print_table("", columns, list(rows), NO_LINKS)


@group.command(rich_help_panel=PANEL)
def mapping(name: AppName, server: Server = DEFAULT_SERVER, as_json: AsJson = False) -> None:
    """Where the tasks of an application run, why, and what that foretells."""
    from deploy import status as looking
    from deploy import tables
    from deploy.submit import find_app
    from runtime.units import seconds

    async def work(bus: Bus, _: asyncio.Event) -> dict[str, Any]:
        return await looking.mapping(bus, await find_app(bus, name))

    found = ask(server, work) or {}
    if as_json:
        print_json(found)
        return
    title = f"{name}: {found['state']}"
    if "algorithm" in found:
        title = (
            f"{name}, epoch {found['epoch']}: {found['algorithm']} for {found['objective']}; predicted makespan "
            f"{seconds(found['makespan_s'])}, period {seconds(found['period_s'])}"
        )
    print_table(title, tables.MAPPING_COLUMNS, tables.mapping_rows(found))
    for line in (found.get("why"), found.get("bottleneck") and f"bottleneck: {found['bottleneck']}"):
        if line:
            typer.echo(line)


@group.command(rich_help_panel=PANEL)
def profile(name: AppName, server: Server = DEFAULT_SERVER, as_json: AsJson = False) -> None:
    """What each task was measured to take on each node."""
    from deploy import status as looking
    from deploy import tables
    from deploy.submit import find_app

    async def work(bus: Bus, _: asyncio.Event) -> list[dict[str, Any]]:
        return await looking.executions(bus, await find_app(bus, name))

    found = ask(server, work) or []
    if as_json:
        print_json(found)
    else:
        print_table("", tables.PROFILE_COLUMNS, [tables.profile_row(each) for each in found], NO_TIMES)


@group.command(rich_help_panel=PANEL)
def doctor(
    server: Annotated[
        str | None, typer.Option(envvar="JUPITER_SERVER", metavar="URL", help="Also look at this running Jupiter.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check what is needed, and say how to mend what is missing. Exit code 1 if something is."""
    from deploy.doctor import BAD, examine
    from deploy.session import shelled

    found = shelled(lambda _: examine(server)) or []
    if as_json:
        print_json(found)
    else:
        columns = ("CHECK", "STATE", "FOUND", "REMEDY")
        print_table("", columns, [tuple(each[key] for key in ("what", "state", "found", "remedy")) for each in found])
    if any(each["state"] == BAD for each in found):
        raise typer.Exit(1)
