"""The command that makes the keys of a secured Jupiter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

group = typer.Typer()


@group.command(rich_help_panel="Components")
def keys(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the keys are, or are to be.")],
    app: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="An application: a key for its workers and one for its clients."),
    ] = None,
    node: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A node: a key for its agent.")] = None,
) -> None:
    """Write a key for every component, and their permissions as auth.conf for nats-server to include.

    Run it again with more applications or nodes: keys that are there stay. Then reload the server.
    """
    from deploy.keys import CONFIG, make
    from runtime.credentials import key_path

    for user in make(folder, app or (), node or ()):
        typer.echo(key_path(folder, user))
    typer.echo(f"now: `include` {folder / CONFIG} in nats-server's configuration (a path relative to it)", err=True)
