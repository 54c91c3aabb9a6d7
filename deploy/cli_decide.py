"""The command that has a running application mapped again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.options import DEFAULT_SERVER, AppName, AsJson, Server, ask, print_json

if TYPE_CHECKING:
    from runtime.bus import Bus

group = typer.Typer()
PANEL = "Mapping"


@group.command(rich_help_panel=PANEL)
def remap(
    name: AppName,
    server: Server = DEFAULT_SERVER,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.0, help="How long to wait for the new mapping.")
    ] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Have the mapper decide again, from what is measured now; also ends a mapping that was given by hand."""
    from deploy.remapping import remap as again
    from deploy.status import mapping as look

    async def work(bus: Bus, _: asyncio.Event) -> dict[str, Any]:
        app = await again(bus, name, timeout)
        return await look(bus, app)

    found = ask(server, work) or {}
    if as_json:
        print_json(found)
    else:
        where = ", ".join(f"{task} on {node}" for task, node in found.get("mapping", {}).items())
        typer.echo(f"{name}, epoch {found['epoch']} by {found['algorithm']}: {where}")
